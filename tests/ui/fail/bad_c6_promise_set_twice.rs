// The message is rustc's: setting the result takes the promise.
use squall::Promise;

fn main() {
    let (promise, _value) = Promise::new();
    promise.set_result(1);
    promise.set_result(2);
}
