//! Places in the source: where a coroutine is defined, where it yields.

use std::fmt;

/// Where a coroutine is defined. Made by `#[coroutine]`, one static a function.
#[derive(Debug)]
pub struct CoroutineSite {
    /// The function's name, with its type's for a handler (`Page::get`).
    pub name: &'static str,
    /// The module that it stands in.
    pub module: &'static str,
    /// The source file, as the compiler names it.
    pub file: &'static str,
    /// The line of the function's name, from 1.
    pub line: u32,
    /// The column of the function's name, from 1.
    pub column: u32,
}

/// Where a coroutine yields. Made by `yield_!`, one static a yield.
#[derive(Debug)]
pub struct YieldSite {
    /// The source file, as the compiler names it.
    pub file: &'static str,
    /// The line of the yield, from 1.
    pub line: u32,
    /// The column of the yield, from 1.
    pub column: u32,
    /// The yielded expression as it was written.
    pub expression: &'static str,
}

impl fmt::Display for CoroutineSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}::{} ({}:{})",
            self.module, self.name, self.file, self.line
        )
    }
}

impl fmt::Display for YieldSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}
