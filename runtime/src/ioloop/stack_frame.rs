//! One call of a native stack.

use std::fmt;

/// One call on the stack of a loop's thread; see [`Blocked::stack`](super::Blocked::stack).
///
/// Names come from the program's symbols, files and lines from its debug information: a program
/// that was stripped of them has addresses only.
#[derive(Clone, Debug, Default)]
pub struct StackFrame {
    pub(super) address: usize,
    pub(super) function: Option<String>,
    pub(super) file: Option<String>,
    pub(super) line: Option<u32>,
}

impl StackFrame {
    /// Returns the address of the instruction after the call.
    pub fn address(&self) -> usize {
        self.address
    }

    /// Returns the function's path, such as `shop::cart::total`, if the program has its symbols.
    pub fn function(&self) -> Option<&str> {
        self.function.as_deref()
    }

    /// Returns the source file, as the compiler names it, if the program has debug information.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// Returns the line of the call, from 1, if the program has debug information.
    pub fn line(&self) -> Option<u32> {
        self.line
    }
}

impl fmt::Display for StackFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.function {
            Some(function) => f.write_str(function)?,
            None => write!(f, "{:#x}", self.address)?,
        }
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, " ({file}:{line})"),
            (Some(file), None) => write!(f, " ({file})"),
            (None, _) => Ok(()),
        }
    }
}
