//! Squall's server, in memory.

use std::cell::RefCell;
use std::rc::Rc;

use squall_properties::script::Script;
use squall_properties::serving::play_with;
use squall_web::http::Version;
use squall_web::{Call, Exchange, Handle, HttpServer};

use crate::outcome::{Got, Outcome};

struct Handler {
    got: Rc<RefCell<Vec<Got>>>,
}

impl Handle for Handler {
    fn handle<'a>(&'a self, ex: &'a mut Exchange) -> Call<'a> {
        let request = ex.request();
        self.got.borrow_mut().push(Got {
            method: request.method().as_str().into(),
            target: request.target().into(),
            body: request.body().to_vec(),
            is_1_0: request.version() == Version::Http10,
        });
        ex.write("ok");
        Call::done(())
    }
}

/// Sends bytes, and says what became of them.
pub(crate) fn ask(wire: &[u8]) -> Outcome {
    let got = Rc::new(RefCell::new(Vec::new()));
    let handler = Handler { got: got.clone() };
    let script = Script::whole(wire.to_vec());
    let answers = play_with(&script, || HttpServer::new(handler));
    Outcome::new(got.take(), &answers, false)
}
