//! A server for clients: writes down what it gets, and answers as it is told.

use std::cell::RefCell;
use std::rc::Rc;

use squall::net::{IoStream, TcpServer};
use squall::yield_;

use crate::script::Piece;
use crate::{serving, strict};

/// Where it is.
pub const ADDRESS: &str = "10.0.0.1:80";

/// The requests that it got, each with its body.
pub type Log = Rc<RefCell<Vec<Vec<u8>>>>;

/// Serves as long as the loop runs; each request is answered with the pieces, and the connection closed.
pub fn serve(pieces: Vec<Piece>, log: Log) {
    let server = TcpServer::bind(ADDRESS).expect("an address of the network");
    drop(server.serve(move |stream, _| answer(stream, pieces.clone(), log.clone())));
}

#[squall::coroutine]
fn answer(stream: IoStream, pieces: Vec<Piece>, log: Log) {
    let stream = Rc::new(stream);
    let Ok(mut request) = yield_!(stream.read_until(b"\r\n\r\n", 1 << 20)) else {
        return;
    };
    let length = match strict::head(&request) {
        Ok(Some(head)) => match head.body {
            strict::Body::Length(length) => length as usize,
            _ => 0,
        },
        // Whoever reads the log fails for it.
        _ => 0,
    };
    match yield_!(stream.read_bytes(length)) {
        Ok(body) => request.extend(body),
        Err(_) => return,
    }
    log.borrow_mut().push(request);
    yield_!(serving::send(stream.clone(), pieces));
    // The end of the client, so that nothing that it has not read is lost.
    let _ = yield_!(stream.read_until_close(1 << 20));
}
