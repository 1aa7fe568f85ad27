//! A connection with a server, over which a client sends requests that a grammar made.
//!
//! Whole ones are all taken, and mean to the server what they mean to the grammar. Of broken ones, as
//! of all bytes, [`connection`](crate::connection) has to hold.

use arbitrary::{Arbitrary, Unstructured};

use crate::connection::check_script;
use crate::grammar::Conversation;
use crate::model::{End, expected};
use crate::request_head::limits;
use crate::script::Script;

/// Fails if a server does not do as it should with the conversation that `data` says.
pub fn check(data: &[u8]) {
    let (front, rest) = data.split_at(data.len().min(8));
    let Ok(conversation) = Conversation::arbitrary_take_rest(Unstructured::new(rest)) else {
        return;
    };
    let wire = conversation.wire();
    if conversation.is_whole() {
        let (handled, end) = expected(&wire, &limits(), false);
        assert_eq!(handled, conversation.meant(), "{}", wire.escape_ascii());
        assert!(!matches!(end, End::Refused(_)), "{end:?}");
    }
    // The pieces are cut from what is sent, by a script in front.
    let count = usize::from(front.first().copied().unwrap_or(0) & 7);
    let script = &front[..front.len().min(1 + count)];
    check_script(&Script::read(&[script, &wire].concat()));
}
