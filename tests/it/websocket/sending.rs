//! Senders that wait and that do not, the bounds of queues, and broadcasts.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use squall::{IoLoop, sleep, yield_};
use squall_web::websocket::{
    Broadcast, Message, Overflow, Prepared, Pushed, WebSocketOptions, WebSocketSender,
};
use squall_web::{Application, Exchange, Result};

use super::{close_code, dial, frame, masked, open, serve, text};

/// A server that keeps the sender of whoever connects, and receives.
fn keep(options: WebSocketOptions) -> (SocketAddr, Rc<RefCell<Vec<WebSocketSender>>>) {
    let kept: Rc<RefCell<Vec<WebSocketSender>>> = Rc::default();
    let senders = kept.clone();
    let app = Application::new().get("/ws", async move |ex: &mut Exchange| -> Result<()> {
        let mut ws = yield_!(ex.websocket_with(&options))?;
        senders.borrow_mut().push(ws.sender());
        while yield_!(ws.recv()).is_some() {}
        Ok(())
    });
    (serve(app), kept)
}

const MIB: usize = 1024 * 1024;

/// A sender whose peer reads nothing, so that the system's buffers are full and the queue is in use.
async fn stalled(options: WebSocketOptions) -> (WebSocketSender, squall::net::IoStream) {
    let (address, kept) = keep(options);
    let stream = open(address).await;
    sleep(Duration::from_millis(10)).await;
    let sender = kept.borrow()[0].clone();
    for _ in 0..16 {
        // Larger than the bound, so each is taken alone.
        let pushed = sender.push(vec![0; MIB]);
        sleep(Duration::from_millis(10)).await;
        if sender.queued_bytes() > 0 && pushed.is_ok() {
            break;
        }
    }
    assert!(sender.queued_bytes() > 0, "the peer's buffers have an end");
    (sender, stream)
}

fn small(overflow: Overflow) -> WebSocketOptions {
    WebSocketOptions {
        max_queued_bytes: 1000,
        max_queued_messages: 4,
        overflow,
        ..WebSocketOptions::default()
    }
}

/// The binary messages that come, without the large ones, until the connection is closed.
async fn drain(stream: &squall::net::IoStream) -> Vec<String> {
    let mut got = Vec::new();
    while let Some((first, payload)) = frame(stream).await {
        match first {
            0x88 => got.push(format!(
                "close {}",
                u16::from_be_bytes([payload[0], payload[1]])
            )),
            0x81 => got.push(String::from_utf8(payload).unwrap()),
            _ => {}
        }
    }
    got
}

#[squall::test]
fn push_to_a_full_queue_says_so() {
    let (sender, stream) = yield_!(stalled(small(Overflow::Wait)));
    let pushed: Vec<_> = (0..6)
        .map(|n| sender.push(format!("{n}")).unwrap())
        .collect();
    assert!(pushed.contains(&Pushed::Full), "{pushed:?}");
    let sent = pushed
        .iter()
        .filter(|pushed| **pushed == Pushed::Queued)
        .count();
    assert!(sent <= 4);
    sender.close(1000, "").unwrap();
    let got = yield_!(drain(&stream));
    let want: Vec<String> = (0..sent)
        .map(|n| n.to_string())
        .chain(["close 1000".into()])
        .collect();
    assert_eq!(got, want);
}

#[squall::test]
fn newest_is_dropped() {
    let (sender, stream) = yield_!(stalled(WebSocketOptions {
        max_queued_bytes: 2 * MIB,
        ..small(Overflow::DropNewest)
    }));
    let pushed: Vec<_> = (0..8)
        .map(|n| sender.push(format!("{n}")).unwrap())
        .collect();
    let queued = pushed
        .iter()
        .take_while(|pushed| **pushed == Pushed::Queued)
        .count();
    assert!((1..=4).contains(&queued), "{pushed:?}");
    assert!(
        pushed[queued..]
            .iter()
            .all(|pushed| *pushed == Pushed::Dropped)
    );
    assert!(sender.dropped() >= (8 - queued) as u64);
    sender.close(1000, "").unwrap();
    let got = yield_!(drain(&stream));
    assert_eq!(
        got[..queued],
        (0..queued).map(|n| n.to_string()).collect::<Vec<_>>()
    );
    assert_eq!(got[queued..], ["close 1000"]);
}

#[squall::test]
fn oldest_is_dropped() {
    let (sender, stream) = yield_!(stalled(WebSocketOptions {
        max_queued_bytes: 2 * MIB,
        ..small(Overflow::DropOldest)
    }));
    let pushed: Vec<_> = (0..10)
        .map(|n| sender.push(format!("{n}")).unwrap())
        .collect();
    assert!(
        pushed
            .iter()
            .all(|pushed| !matches!(pushed, Pushed::Dropped | Pushed::Full))
    );
    assert_eq!(pushed[9], Pushed::Displaced(1));
    assert!(sender.dropped() > 0);
    sender.close(1000, "").unwrap();
    let got = yield_!(drain(&stream));
    // One that had begun to go, and the three latest.
    assert_eq!(got, ["7", "8", "9", "close 1000"]);
}

#[squall::test]
fn slow_peer_is_closed_with_1013() {
    let (sender, stream) = yield_!(stalled(WebSocketOptions {
        max_queued_bytes: 2 * MIB,
        ..small(Overflow::Close)
    }));
    let mut results = (0..10).map(|n| sender.push(format!("{n}")));
    let error = results.find_map(Result::err).expect("the queue is bounded");
    assert!(error.is_closed());
    assert_eq!(error.how_closed().unwrap().code.as_u16(), 1013);
    assert!(sender.push("more").is_err());
    let got = yield_!(drain(&stream));
    assert_eq!(got, ["close 1013"]);
}

#[squall::test]
fn send_waits_for_a_slow_peer() {
    let (sender, stream) = yield_!(stalled(small(Overflow::Wait)));
    #[squall::coroutine]
    fn send_all(sender: WebSocketSender, sent: Rc<RefCell<u32>>) {
        for n in 0..100 {
            yield_!(sender.send(format!("{n}"))).unwrap();
            *sent.borrow_mut() += 1;
        }
        sender.close(1000, "").unwrap();
    }
    let sent = Rc::new(RefCell::new(0));
    let sending = send_all(sender.clone(), sent.clone());
    yield_!(sleep(Duration::from_secs(1)));
    assert!(*sent.borrow() < 5, "{}", sent.borrow());
    let got = yield_!(drain(&stream));
    yield_!(sending);
    let want: Vec<String> = (0..100)
        .map(|n| n.to_string())
        .chain(["close 1000".into()])
        .collect();
    assert_eq!(got, want);
}

#[squall::test]
fn peer_that_takes_nothing_is_cut_after_a_while() {
    let options = WebSocketOptions {
        send_timeout: Duration::from_secs(30),
        ..small(Overflow::Wait)
    };
    let began = IoLoop::current().time();
    let (sender, _stream) = yield_!(stalled(options));
    for _ in 0..5 {
        let _ = sender.push("x");
    }
    let error = loop {
        if let Err(error) = yield_!(sender.send("more")) {
            break error;
        }
    };
    let took = IoLoop::current().time() - began;
    assert!((30..33).contains(&took.as_secs()), "{took:?}");
    assert_eq!(error.how_closed().unwrap().code.as_u16(), 1006);
    assert!(
        error.to_string().contains("has read nothing for 30s"),
        "{error}"
    );
    yield_!(sender.over());
}

#[squall::test]
fn what_is_sent_after_the_end_is_an_error() {
    // W3
    let (address, kept) = keep(WebSocketOptions::default());
    let mut ws = yield_!(dial(address, WebSocketOptions::default()));
    yield_!(sleep(Duration::from_millis(10)));
    let sender = kept.borrow()[0].clone();
    yield_!(ws.close(1001, "goodbye")).unwrap();
    assert!(yield_!(ws.send("late")).unwrap_err().is_closed());
    assert!(ws.sender().ping("late").unwrap_err().is_closed());
    yield_!(sender.over());
    let error = yield_!(sender.send("late")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the connection is closed: by the peer, with 1001 (goodbye)"
    );
    assert!(sender.push("late").is_err());
    // To close once more is no mistake.
    sender.close(1000, "").unwrap();
    yield_!(ws.close(1000, "")).unwrap();
}

#[squall::test]
fn mistakes_of_the_program_are_told() {
    // W16
    let (address, kept) = keep(WebSocketOptions::default());
    let mut ws = yield_!(dial(address, WebSocketOptions::default()));
    yield_!(sleep(Duration::from_millis(10)));
    let sender = kept.borrow()[0].clone();
    let error = sender.ping(vec![0; 126]).unwrap_err().to_string();
    assert_eq!(error, "a ping has 125 bytes at most, and this one 126");
    let error = sender.close(1005, "").unwrap_err().to_string();
    assert_eq!(
        error,
        "a close with 1005 cannot be sent: take 1000, or 3000 to 4999"
    );
    let error = yield_!(ws.close(1000, &"x".repeat(124)))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "the reason of a close is 123 bytes at most, and this one 124"
    );
    // None of them has closed anything.
    yield_!(sender.send("fine")).unwrap();
    assert_eq!(text(yield_!(ws.recv())).as_deref(), Some("fine"));
}

#[squall::test]
fn messages_of_one_turn_go_in_one_write() {
    let (address, kept) = keep(WebSocketOptions::default());
    let stream = yield_!(open(address));
    yield_!(sleep(Duration::from_millis(10)));
    let sender = kept.borrow()[0].clone();
    for n in 0..20 {
        sender.push(format!("{n:02}")).unwrap();
    }
    // One read finds all of them.
    let read = yield_!(stream.read_partial(4096)).unwrap();
    assert_eq!(read.len(), 20 * 4);
}

// Broadcasts.

fn chat(options: WebSocketOptions) -> (SocketAddr, Broadcast) {
    let guests = Broadcast::new();
    let all = guests.clone();
    let app = Application::new().get("/ws", async move |ex: &mut Exchange| -> Result<()> {
        let mut ws = yield_!(ex.websocket_with(&options))?;
        let _membership = all.join(&ws.sender());
        while let Some(message) = yield_!(ws.recv()) {
            all.push(message);
        }
        Ok(())
    });
    (serve(app), guests)
}

#[squall::test]
fn everybody_gets_everything_in_order() {
    let (address, guests) = chat(WebSocketOptions::default());
    let mut all = Vec::new();
    for _ in 0..20 {
        all.push(yield_!(dial(address, WebSocketOptions::default())));
    }
    yield_!(sleep(Duration::from_millis(10)));
    assert_eq!(guests.len(), 20);
    for n in 0..50 {
        yield_!(all[n % 20].send(format!("{n}"))).unwrap();
        // So that the order is one.
        yield_!(sleep(Duration::from_millis(1)));
    }
    for ws in &mut all {
        for n in 0..50 {
            assert_eq!(text(yield_!(ws.recv())), Some(n.to_string()));
        }
    }
    // Those who leave are told nothing more.
    for mut ws in all.drain(..15) {
        yield_!(ws.close(1000, "")).unwrap();
    }
    yield_!(sleep(Duration::from_millis(10)));
    assert_eq!(guests.len(), 5);
    assert_eq!(guests.push("few"), 5);
    for ws in &mut all {
        assert_eq!(text(yield_!(ws.recv())).as_deref(), Some("few"));
    }
}

#[squall::test]
fn members_come_and_go() {
    let (address, kept) = keep(WebSocketOptions::default());
    let _ws = yield_!(dial(address, WebSocketOptions::default()));
    yield_!(sleep(Duration::from_millis(10)));
    let sender = kept.borrow()[0].clone();
    let group = Broadcast::new();
    let mut places: Vec<_> = (0..100).map(|_| group.join(&sender)).collect();
    places.retain({
        let mut n = 0;
        move |_| {
            n += 1;
            n % 3 == 0
        }
    });
    assert_eq!((group.len(), group.push("x")), (33, 33));
    places.extend((0..10).map(|_| group.join(&sender)));
    assert_eq!((group.len(), group.push("x")), (43, 43));
    drop(places);
    assert!(group.is_empty());
    assert_eq!(group.push("nobody"), 0);
}

#[squall::test]
fn broadcast_goes_past_those_who_are_full_and_waits_for_them_if_asked() {
    let (sender, stream) = yield_!(stalled(small(Overflow::Wait)));
    while sender.push("fill").unwrap() != Pushed::Full {}
    let (address, kept) = keep(WebSocketOptions::default());
    let mut ws = yield_!(dial(address, WebSocketOptions::default()));
    yield_!(sleep(Duration::from_millis(10)));
    let group = Broadcast::new();
    let _places = [group.join(&sender), group.join(&kept.borrow()[0])];
    assert_eq!(group.push("one"), 1);
    assert_eq!(text(yield_!(ws.recv())).as_deref(), Some("one"));
    #[squall::coroutine]
    fn tell(group: Broadcast) -> usize {
        yield_!(group.send("two"))
    }
    let telling = tell(group);
    assert_eq!(text(yield_!(ws.recv())).as_deref(), Some("two"));
    assert!(!telling.done());
    #[squall::coroutine]
    fn read_all(stream: squall::net::IoStream) -> Vec<String> {
        yield_!(drain(&stream))
    }
    let reading = read_all(stream);
    assert_eq!(yield_!(telling), 2);
    sender.close(1000, "").unwrap();
    let got = yield_!(reading);
    assert_eq!(got[got.len() - 2..], ["two", "close 1000"]);
}

#[squall::test]
fn prepared_message_is_what_it_was_made_of() {
    let (address, kept) = keep(WebSocketOptions::default());
    let mut ws = yield_!(dial(address, WebSocketOptions::default()));
    yield_!(sleep(Duration::from_millis(10)));
    let sender = kept.borrow()[0].clone();
    let (one, two) = (Prepared::new("one"), Prepared::new(vec![1, 2]));
    sender.push_prepared(&one).unwrap();
    yield_!(sender.send_prepared(&two)).unwrap();
    // From a client as well, with a mask.
    let back = ws.sender();
    back.push_prepared(&one).unwrap();
    assert_eq!(yield_!(ws.recv()), Some(Message::from("one")));
    assert_eq!(yield_!(ws.recv()), Some(Message::from(vec![1, 2])));
}

#[squall::test]
fn a_flood_of_frames_lets_others_run() {
    // W17: five thousand tiny frames in one packet.
    let (address, _kept) = keep(WebSocketOptions::default());
    for first in [0x81, 0x8a] {
        let stream = yield_!(open(address));
        let mut flood = masked(first, b"x").repeat(5000);
        flood.extend(masked(0x88, b""));
        yield_!(stream.write(&flood)).unwrap();
        #[squall::coroutine]
        fn end(stream: squall::net::IoStream) -> u16 {
            yield_!(close_code(&stream))
        }
        let ended = end(stream);
        let mut turns = 0;
        while !ended.done() {
            yield_!(squall::moment());
            turns += 1;
        }
        assert!(turns > 20, "others have had {turns} turns");
        assert_eq!(yield_!(ended), 0);
    }
}
