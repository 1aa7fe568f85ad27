//! The client that blocks.

use squall::{IoLoop, yield_};
use squall_web::client::{FetchError, HttpClient, Request};

use super::{ok, read_head, text, thread_server, write_all};

/// Answers every request of a connection, until the client leaves.
fn serve() -> String {
    let port = thread_server(|mut stream, number| {
        loop {
            read_head(&mut stream)?;
            write_all(&mut stream, ok(&format!("connection {number}")).as_bytes())?;
        }
    });
    format!("http://127.0.0.1:{port}/")
}

#[test]
fn fetches_block_and_share_a_connection() {
    let (client, url) = (HttpClient::new().unwrap(), serve());
    for _ in 0..3 {
        let response = client.fetch(&url).unwrap();
        assert_eq!(response.text().unwrap(), "connection 1");
    }
    let error = client.fetch(Request::get("http://[::1")).unwrap_err();
    assert!(error.to_string().starts_with("fetch: malformed url"));
}

#[test]
fn closed_client_fetches_no_more() {
    let client = HttpClient::new().unwrap();
    let url = serve();
    client.fetch(&url).unwrap();
    client.close();
    let error = client.fetch(&url).unwrap_err().to_string();
    assert!(error.contains("closed"), "{error}");
    client.close();
}

#[squall::test]
fn it_does_not_block_a_loop_that_runs() {
    let client = HttpClient::new().unwrap();
    let fetched: Result<_, FetchError> = client.fetch("http://127.0.0.1/");
    let error = text(&fetched.unwrap_err());
    assert!(
        error.contains("would block the loop that runs on this thread"),
        "{error}"
    );
    yield_!(());
}

#[test]
fn it_can_be_used_beside_a_loop_at_rest() {
    let io_loop = IoLoop::new().unwrap();
    io_loop.make_current();
    assert!(!io_loop.is_running());
    let client = HttpClient::new().unwrap();
    client.fetch(serve()).unwrap();
    assert!(io_loop.run_sync(|| async { IoLoop::current().is_running() }));
    IoLoop::clear_current();
}
