//! A crate that re-exports Squall under another path, as frameworks on top of it do.

mod framework {
    pub mod rt {
        pub use squall::*;
    }
    pub mod http {
        pub use squall_web::*;
    }
}

mod application {
    // What stands here must not be taken for the crates.
    #[allow(dead_code)]
    mod squall {}
    #[allow(dead_code)]
    mod squall_web {}

    use crate::framework::http::{Application, Exchange, RequestHandler, Result};
    use crate::framework::rt::yield_;

    #[crate::framework::rt::coroutine(crate = crate::framework::rt)]
    fn one() -> u32 {
        yield_!(crate::framework::rt::moment());
        1
    }

    crate::framework::rt::coroutines! {
        crate = crate::framework::rt;

        #[coroutine]
        pub(super) fn two() -> u32 {
            (yield one()) + 1
        }
    }

    struct Page;

    #[crate::framework::http::request_handler(crate = crate::framework::http)]
    impl RequestHandler for Page {
        #[coroutine]
        fn get(&mut self, ex: &mut Exchange, id: u32) -> Result<()> {
            ex.write(format!("{}", yield_!(two()) + id));
            Ok(())
        }

        fn prepare(&mut self, _ex: &mut Exchange) -> Result<()> {
            Ok(())
        }
    }

    pub(super) fn routes() -> Application {
        Application::new().route("/{id}", || Page)
    }
}

#[crate::framework::rt::main(crate = crate::framework::rt)]
fn main() {
    assert_eq!(framework::rt::yield_!(application::two()), 2);
    assert!(format!("{:?}", application::routes()).contains("/{id}"));
}
