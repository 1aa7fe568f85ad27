//! What stands for `tls.rs` without the feature: nothing that could be secured.

use squall::net::IoStream;

use super::config::ClientConfig;
use super::error::Source;
use super::progress::Progress;
use super::proxy::Proxy;

#[derive(Clone, Debug, Default)]
pub(super) struct TlsOptions {}

/// There is none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Trust {}

impl TlsOptions {
    pub(super) fn trust(&self, _: &ClientConfig) -> Result<Trust, &'static str> {
        Err("https needs the feature `tls` of squall-web")
    }
}

impl Trust {
    pub(super) fn of_proxy(_: &Proxy, _: &ClientConfig) -> Option<Trust> {
        None
    }
}

#[derive(Default)]
pub(super) struct Connectors {}

impl Connectors {
    pub(super) async fn prepare(
        &self,
        trust: &Trust,
        _: &'static [&'static str],
    ) -> Result<Prepared, Source> {
        match *trust {}
    }
}

/// There is none.
pub(super) enum Prepared {}

impl Prepared {
    pub(super) async fn secure(
        self,
        _: IoStream,
        _: &str,
        _: &Progress,
    ) -> Result<IoStream, Source> {
        match self {}
    }
}
