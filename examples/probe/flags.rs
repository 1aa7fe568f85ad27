//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use squall_web::http::Limits;

pub(crate) const HELP: &str = "\
A server for those who test servers.

Usage: probe --port N [flags]

  --port N                  the port of 127.0.0.1 to listen on
  --static-dir DIR          what /static/ serves
  --max-header-bytes N      of a request's head; 65536
  --max-body-bytes N        of a request's body, but for /upload; 1048576
  --header-timeout-ms N     from the first byte of a head to its last; 10000
  --body-timeout-ms N       from the end of the head to that of the body, but for /upload; 60000
  --idle-timeout-ms N       for the first byte of a next request; 60000
  --ws-max-message-bytes N  of a WebSocket message; 16777216
  --shutdown-grace-ms N     for the requests in flight after SIGTERM; 5000
  --log                     logs to stderr
  --help                    prints this";

pub(crate) enum Command {
    Serve(Box<Flags>),
    Help,
}

pub(crate) struct Flags {
    pub(crate) port: u16,
    pub(crate) static_dir: Option<PathBuf>,
    pub(crate) limits: Limits,
    pub(crate) ws_max_message_bytes: usize,
    pub(crate) shutdown_grace: Duration,
    pub(crate) log: bool,
}

impl Default for Flags {
    fn default() -> Flags {
        Flags {
            port: 0,
            static_dir: None,
            limits: Limits {
                max_body_bytes: 1024 * 1024,
                max_chunk_line_bytes: 4096,
                header_timeout: Duration::from_secs(10),
                idle_timeout: Duration::from_secs(60),
                // The time that a body may take is given in all; within it, it may stand still.
                body_stall: Duration::from_secs(60),
                min_body_rate: 0,
                ..Limits::default()
            },
            ws_max_message_bytes: 16 * 1024 * 1024,
            shutdown_grace: Duration::from_secs(5),
            log: false,
        }
    }
}

/// Reads the arguments; `--flag value` and `--flag=value` are the same.
pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut flags = Flags::default();
    let mut port = None;
    while let Some(arg) = args.next() {
        let (flag, value) = match arg.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (arg, None),
        };
        match flag.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--log" => flags.log = true,
            _ => {
                let value = value.or_else(|| args.next());
                let number = || number(&flag, value.as_deref());
                match flag.as_str() {
                    "--port" => {
                        let number = number()?;
                        let bad = |_| format!("--port is a number up to 65535, not {number}");
                        port = Some(u16::try_from(number).map_err(bad)?);
                    }
                    "--static-dir" => {
                        let value = value.ok_or("--static-dir needs a directory")?;
                        flags.static_dir = Some(PathBuf::from(value));
                    }
                    "--max-header-bytes" => flags.limits.max_head_bytes = size(number()?),
                    "--max-body-bytes" => flags.limits.max_body_bytes = number()?,
                    "--header-timeout-ms" => flags.limits.header_timeout = ms(number()?),
                    "--body-timeout-ms" => flags.limits.body_timeout = ms(number()?),
                    "--idle-timeout-ms" => flags.limits.idle_timeout = ms(number()?),
                    "--ws-max-message-bytes" => flags.ws_max_message_bytes = size(number()?),
                    "--shutdown-grace-ms" => flags.shutdown_grace = ms(number()?),
                    _ => return Err(format!("unknown flag {flag:?}")),
                }
            }
        }
    }
    flags.port = port.ok_or("--port is missing")?;
    // A head may be all short fields; its bytes are the limit.
    flags.limits.max_headers = flags.limits.max_head_bytes / 4;
    Ok(Command::Serve(Box::new(flags)))
}

fn number(flag: &str, value: Option<&str>) -> Result<u64, String> {
    let value = value.ok_or_else(|| format!("{flag} needs a number"))?;
    (value.parse()).map_err(|_| format!("{flag} needs a number, not {value:?}"))
}

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
