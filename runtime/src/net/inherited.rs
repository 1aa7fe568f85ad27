//! Listening sockets that the process was given by whoever started it.
//!
//! A number is all that is known of such a descriptor, so it is duplicated, never taken: the original
//! stays open for as long as the process runs, and is closed by nobody.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

/// The first descriptor that systemd passes.
const FIRST: RawFd = 3;

/// Duplicates a descriptor that was inherited.
pub(super) fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(invalid(format!("{fd} is no descriptor's number")));
    }
    // SAFETY: the borrow ends with this statement. Whoever passes the number says that the process was
    // started with it, and nothing here closes such descriptors; if it is not open after all, the
    // system's `fcntl` says so, and nothing else is done with it.
    let duplicated = unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned();
    duplicated.map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("descriptor {fd} was not inherited: {error}"),
        )
    })
}

/// The numbers that systemd's `LISTEN_FDS` and `LISTEN_PID` say, as read from the environment; none if
/// they are not there, or are for another process.
pub(super) fn listen_fds(
    fds: Option<&str>,
    pid: Option<&str>,
    own_pid: u32,
) -> io::Result<Vec<RawFd>> {
    let (Some(fds), Some(pid)) = (fds, pid) else {
        return Ok(Vec::new());
    };
    let number = |name: &str, value: &str| {
        let parsed = value.parse::<u32>();
        parsed.map_err(|_| invalid(format!("{name} is {value:?}, and no number")))
    };
    if number("LISTEN_PID", pid)? != own_pid {
        return Ok(Vec::new());
    }
    let count = number("LISTEN_FDS", fds)?;
    match RawFd::try_from(count) {
        Ok(count) if count <= RawFd::MAX - FIRST => Ok((FIRST..FIRST + count).collect()),
        _ => Err(invalid(format!("LISTEN_FDS is {fds:?}, which is too many"))),
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_s_variables_are_for_one_process() {
        let fds = |fds, pid| listen_fds(fds, pid, 7);
        assert_eq!(fds(None, None).unwrap(), [0; 0]);
        assert_eq!(fds(Some("2"), None).unwrap(), [0; 0]);
        assert_eq!(fds(Some("2"), Some("7")).unwrap(), [3, 4]);
        assert_eq!(fds(Some("0"), Some("7")).unwrap(), [0; 0]);
        assert_eq!(fds(Some("2"), Some("8")).unwrap(), [0; 0]);
    }

    #[test]
    fn bad_variables_of_systemd_are_named() {
        let error = listen_fds(Some("two"), Some("7"), 7).unwrap_err();
        assert_eq!(error.to_string(), "LISTEN_FDS is \"two\", and no number");
        let error = listen_fds(Some("2"), Some(""), 7).unwrap_err();
        assert_eq!(error.to_string(), "LISTEN_PID is \"\", and no number");
        let error = listen_fds(Some("4294967295"), Some("7"), 7).unwrap_err();
        assert!(error.to_string().ends_with("which is too many"));
    }

    #[test]
    fn bad_numbers_are_no_descriptors() {
        let error = duplicate(-1).unwrap_err();
        assert_eq!(error.to_string(), "-1 is no descriptor's number");
        let error = duplicate(RawFd::MAX).unwrap_err();
        assert!(error.to_string().contains("was not inherited"), "{error}");
    }
}
