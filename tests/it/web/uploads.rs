//! Forms with files that go to disk past a size, and their limits.

use std::fs;
use std::path::{Path, PathBuf};

use squall::yield_;
use squall_web::{Application, BodyPlan, Exchange, Result, Uploads};

use crate::support::{SECOND, Trace};

use super::routing::{send, serve};
use super::{ask, body, connect, status};

/// A directory of a test's own, which goes with it.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let path = std::env::temp_dir().join(format!("squall-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const MULTIPART: &str = "Content-Type: multipart/form-data; boundary=x\r\n";

fn field(name: &str, value: &str) -> String {
    format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

fn file(name: &str, content: &str) -> String {
    let disposition = format!("form-data; name=\"{name}\"; filename=\"../{name}.txt\"");
    format!(
        "--x\r\nContent-Disposition: {disposition}\r\nContent-Type: text/plain\r\n\r\n{content}\r\n"
    )
}

fn form(parts: &[String]) -> String {
    parts.concat() + "--x--\r\n"
}

fn app(dir: &Path, trace: &Trace) -> Application {
    let uploads = Uploads::new()
        .dir(dir)
        .memory_bytes(100)
        .max_file_bytes(1_000_000)
        .max_files(3)
        .max_field_bytes(50)
        .max_parts(5);
    let (dir, trace) = (dir.to_owned(), trace.clone());
    let take = async move |ex: &mut Exchange| -> Result<()> {
        let form = ex.read_form(&uploads).await?;
        for (name, value) in form.fields() {
            ex.write(format!("{name}={value};"));
        }
        for file in form.files() {
            let content = file.read().await?;
            assert_eq!(content.len() as u64, file.len());
            let place = match file.path() {
                Some(path) => {
                    assert_eq!(fs::read(path).unwrap(), content);
                    assert!(path.starts_with(&dir), "{path:?}");
                    "disk"
                }
                None => "memory",
            };
            let (name, len) = (file.name(), file.len());
            let kind = file.content_type().unwrap_or("none");
            ex.write(format!("{name}:{}:{kind}:{len}:{place};", file.file_name()));
        }
        trace.add("taken");
        if form.field("keep").is_some() {
            for file in form.into_files() {
                let to = dir.join(format!("kept-{}", file.name()));
                file.persist(to).await?;
            }
        }
        Ok(())
    };
    Application::new()
        .post("/", take)
        .body("/", BodyPlan::stream().max_bytes(1_500_000))
}

#[squall::test]
fn small_files_stay_in_memory_and_large_ones_go_to_disk_and_away() {
    let dir = Dir::new("uploads");
    let address = serve(app(&dir.0, &Trace::new()));
    let large = "large ".repeat(100_000);
    let parts = [
        field("a", "é"),
        file("small", "tiny"),
        file("large", &large),
        file("also", &"x".repeat(97)),
        field("a", "last"),
    ];
    let answer = yield_!(ask(address, send("POST", "/", MULTIPART, &form(&parts))));
    assert_eq!(status(&answer), "200", "{answer}");
    let want = "a=é;a=last;small:../small.txt:text/plain:4:memory;\
                large:../large.txt:text/plain:600000:disk;also:../also.txt:text/plain:97:disk;";
    assert_eq!(body(&answer), want);
    assert_eq!(dir.files(), [""; 0], "nothing stays");

    let parts = [file("one", "1"), field("keep", "yes"), file("two", &large)];
    let answer = yield_!(ask(address, send("POST", "/", MULTIPART, &form(&parts))));
    assert_eq!(status(&answer), "200");
    assert_eq!(dir.files(), ["kept-one", "kept-two"]);
    assert_eq!(fs::read_to_string(dir.0.join("kept-one")).unwrap(), "1");
    assert_eq!(fs::read_to_string(dir.0.join("kept-two")).unwrap(), large);

    let urlencoded = "Content-Type: application/x-www-form-urlencoded\r\n";
    let answer = yield_!(ask(
        address,
        send("POST", "/", urlencoded, "a=b+c&d=%C3%A9")
    ));
    assert_eq!(body(&answer), "a=b c;d=é;");
}

#[squall::test]
fn bad_forms_are_refused_with_the_limit_and_leave_nothing() {
    let dir = Dir::new("bad-uploads");
    let trace = Trace::new();
    let address = serve(app(&dir.0, &trace));
    let large = "x".repeat(700_000);
    let one = || file("f", "1");
    for (sent, code, want) in [
        (
            form(&[file("photo", &"x".repeat(1_000_001))]),
            "413",
            "The file in &quot;photo&quot; has more than 1000000 bytes",
        ),
        (
            form(&[one(), one(), file("f", &large), one()]),
            "413",
            "The form has more than 3 files",
        ),
        (
            form(&[field("a", &"x".repeat(30)), field("b", &"x".repeat(30))]),
            "413",
            "The fields have more than 50 bytes",
        ),
        (
            form(&[field("a", &"x".repeat(51))]),
            "413",
            "a field of the form is too long",
        ),
        (
            form(&[
                field("a", ""),
                field("a", ""),
                field("a", ""),
                one(),
                one(),
                one(),
            ]),
            "400",
            "the form has too many parts",
        ),
        (
            form(&[file("f", &large), file("g", &large), file("h", &large)]),
            "413",
            "413",
        ),
        (
            file("f", &large),
            "400",
            "the form ends before its last boundary",
        ),
        ("nothing".to_owned(), "400", "Malformed form: "),
        (
            form(&[file("f", &large), field("a", "\u{fffd}")]).replace("--x--", "-- x--"),
            "400",
            "the form ends before its last boundary",
        ),
    ] {
        let answer = yield_!(ask(address, send("POST", "/", MULTIPART, &sent)));
        assert_eq!(status(&answer), code, "{want}: {}", body(&answer));
        assert!(body(&answer).contains(want), "{want}: {answer}");
        assert_eq!(dir.files(), [""; 0], "{want}");
    }
    for other in ["Content-Type: application/json\r\n", ""] {
        let answer = yield_!(ask(address, send("POST", "/", other, "{}")));
        assert_eq!(status(&answer), "415");
    }
    let urlencoded = "Content-Type: application/x-www-form-urlencoded\r\n";
    let answer = yield_!(ask(address, send("POST", "/", urlencoded, &"a".repeat(51))));
    assert_eq!(status(&answer), "413");
    assert!(trace.take().is_empty());
}

#[squall::test]
fn a_client_that_leaves_leaves_no_file() {
    let dir = Dir::new("left-uploads");
    let trace = Trace::new();
    let address = serve(app(&dir.0, &trace));
    let stream = yield_!(connect(address));
    let begun = file("f", &"x".repeat(600_000));
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{MULTIPART}Content-Length: 1000000\r\n\r\n");
    yield_!(stream.write((head + &begun).as_bytes())).unwrap();
    for _ in 0..100 {
        if !dir.files().is_empty() {
            break;
        }
        yield_!(squall::sleep(SECOND / 20));
    }
    assert_eq!(dir.files().len(), 1, "it is on disk while it comes");
    stream.close();
    for _ in 0..100 {
        if dir.files().is_empty() {
            break;
        }
        yield_!(squall::sleep(SECOND / 20));
    }
    assert_eq!(dir.files(), [""; 0]);
    assert!(trace.take().is_empty());
}

#[squall::test]
fn a_directory_that_is_not_there_is_the_servers_fault() {
    let dir = Dir::new("no-uploads");
    let address = serve(app(&dir.0.join("missing"), &Trace::new()));
    let sent = form(&[file("f", &"x".repeat(1000))]);
    let answer = yield_!(ask(address, send("POST", "/", MULTIPART, &sent)));
    assert_eq!(status(&answer), "500");
}
