//! A chat of lines, without HTTP: `cargo run --example chat_tcp 7778`
//!
//! Try `nc 127.0.0.1 7778` in two terminals, say who you are, and type. Each line goes to all others.
//! Who reads too slowly is thrown out rather than have the others wait. It prints:
//!
//! ```text
//! listening on 127.0.0.1:7778
//! ann has come: 1 here
//! bob has come: 2 here
//! ann has gone: 1 here
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::rc::Rc;

use squall::net::{IoStream, TcpServer};
use squall::yield_;

/// Longer lines end the connection.
const MAX_LINE: usize = 1024;

/// So much may wait to be written to one guest.
const MAX_WAITING: usize = 64 * 1024;

/// Who is here, by name. One thread has it all, so there is nothing to lock.
#[derive(Clone, Default)]
struct Room {
    guests: Rc<RefCell<BTreeMap<String, Rc<IoStream>>>>,
}

impl Room {
    /// Lets a guest in, unless there is one of that name.
    fn enter(&self, name: &str, stream: &Rc<IoStream>) -> bool {
        let mut guests = self.guests.borrow_mut();
        let is_free = !guests.contains_key(name);
        if is_free {
            guests.insert(name.to_owned(), stream.clone());
            println!("{name} has come: {} here", guests.len());
        }
        is_free
    }

    fn leave(&self, name: &str) {
        let mut guests = self.guests.borrow_mut();
        guests.remove(name);
        println!("{name} has gone: {} here", guests.len());
    }

    /// Says something to all but one, and waits for nobody.
    fn tell_others(&self, but: &str, text: &str) {
        let others = self.guests.borrow();
        for (_, stream) in others.iter().filter(|(name, _)| *name != but) {
            drop(tell(stream.clone(), text.to_owned()));
        }
    }
}

/// Says something to one guest; of several calls each goes out whole, in their order.
#[squall::coroutine]
fn tell(stream: Rc<IoStream>, text: String) {
    if yield_!(stream.write(text.as_bytes())).is_err() {
        // He is gone, or too slow: his own coroutine finds out.
        stream.close();
    }
}

#[squall::coroutine]
fn read_line(stream: Rc<IoStream>) -> squall::Result<String> {
    let line = yield_!(stream.read_until(b"\n", MAX_LINE))?;
    Ok(String::from_utf8_lossy(&line).trim().to_owned())
}

/// Serves one guest, from the greeting to the end.
#[squall::coroutine]
fn chat(stream: IoStream, room: Room) -> squall::Result<()> {
    stream.set_max_write_buffer_size(Some(MAX_WAITING));
    let stream = Rc::new(stream);
    yield_!(stream.write(b"who are you? "))?;
    let name = yield_!(read_line(stream.clone()))?;
    if name.is_empty() || !room.enter(&name, &stream) {
        return yield_!(stream.write(b"there is one of that name\n"));
    }
    room.tell_others(&name, &format!("* {name} has come\n"));
    // Whatever the error is, it is the end of this guest and of nothing else.
    while let Ok(line) = yield_!(read_line(stream.clone())) {
        room.tell_others(&name, &format!("{name}: {line}\n"));
    }
    room.leave(&name);
    room.tell_others(&name, &format!("* {name} has gone\n"));
    Ok(())
}

#[squall::main]
fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = match std::env::args().nth(1) {
        Some(port) => port.parse()?,
        None => 7778,
    };
    let server = TcpServer::bind(("127.0.0.1", port))?;
    println!("listening on {}", server.local_addr()?);
    let room = Room::default();
    yield_!(server.serve(move |stream, _peer| chat(stream, room.clone())))?;
    Ok(())
}
