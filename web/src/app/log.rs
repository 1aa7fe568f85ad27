//! What the framework tells the log.

use squall::IoLoop;

use crate::conn::Exchange;

/// Logs a request that was answered, as Tornado's `log_request` does: info below 400, a warning
/// below 500, an error from there on. An answer that was cut is a warning at least, with
/// `complete=false`. The target is `squall::access`.
pub(super) fn access(ex: &Exchange) {
    let status = ex.status().as_u16();
    macro_rules! log {
        ($level:ident) => {
            if tracing::enabled!(target: "squall::access", tracing::Level::$level) {
                let request = ex.request();
                // One whose head could not be read has neither.
                let (method, target) = match request.target() {
                    "" => ("-", "-"),
                    target => (request.method().as_str(), target),
                };
                let remote = request.remote_ip();
                let complete = ex.is_finished();
                let now = IoLoop::current().time();
                let took = ex.started().map_or(0.0, |at| (now - at).as_secs_f64() * 1e3);
                tracing::event!(
                    target: "squall::access", tracing::Level::$level,
                    status, method, target, remote = remote.map(tracing::field::display),
                    complete = (!complete).then_some(false),
                    took_ms = (took * 100.0).round() / 100.0,
                );
            }
        };
    }
    match status {
        ..400 if ex.is_finished() => log!(INFO),
        ..400 => log!(WARN),
        400..500 => log!(WARN),
        _ => log!(ERROR),
    }
}
