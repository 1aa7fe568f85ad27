//! Files of a directory: what HEAD says of them, and ways out of the root.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;

use squall::yield_;
use squall_web::{Application, HttpServer, StaticFiles};

use crate::programs::Folder;

use super::{ask, body, header, status};

fn serve(prefix: &str, root: &Path) -> SocketAddr {
    let app = Application::new().files(prefix, StaticFiles::new(root));
    let listening = HttpServer::new(app).listen("127.0.0.1:0");
    listening.expect("a free port").local_addr()
}

#[squall::coroutine]
fn request(address: SocketAddr, method: &str, target: &str, headers: &str) -> String {
    let close = "Connection: close\r\n";
    let wire = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{headers}{close}\r\n");
    yield_!(ask(address, wire))
}

/// A root with files, and beside it what nobody is to get.
fn tree() -> Folder {
    let folder = Folder::new("files");
    for dir in ["root", "root/dir", "root/none", "outside"] {
        std::fs::create_dir(folder.join(dir)).unwrap();
    }
    folder.write("outside/secret.txt", "secret");
    folder.write("root/a.txt", "text of a");
    folder.write("root/page.html", "<p>page</p>");
    folder.write("root/large.bin", vec![b'x'; 300_000]);
    folder.write("root/empty", "");
    folder.write("root/dir/index.html", "the index");
    folder
}

// X30
#[squall::test]
fn head_says_of_the_content_what_get_says() {
    let folder = tree();
    let address = serve("/f/", &folder.join("root"));
    let get = yield_!(request(address, "GET", "/f/a.txt", ""));
    let etag = format!("If-None-Match: {}\r\n", header(&get, "etag").unwrap());
    let since = format!(
        "If-Modified-Since: {}\r\n",
        header(&get, "last-modified").unwrap()
    );
    let targets = [
        ("/f/a.txt", "", "200"),
        ("/f/page.html", "", "200"),
        ("/f/large.bin", "", "200"),
        ("/f/empty", "", "200"),
        ("/f/dir/", "", "200"),
        ("/f/dir", "", "301"),
        ("/f/dir?a=b", "", "301"),
        ("/f/none/", "", "404"),
        ("/f/absent", "", "404"),
        ("/f/a.txt", &*etag, "304"),
        ("/f/a.txt", &*since, "304"),
        ("/f/a.txt", "If-Match: \"other\"\r\n", "412"),
    ];
    for (target, headers, want) in targets {
        let get = yield_!(request(address, "GET", target, headers));
        let head = yield_!(request(address, "HEAD", target, headers));
        assert_eq!((status(&get), status(&head)), (want, want), "{target}");
        assert_eq!(body(&head), "", "{target}");
        for name in [
            "content-type",
            "content-length",
            "content-encoding",
            "content-range",
            "etag",
            "last-modified",
            "location",
        ] {
            assert_eq!(header(&get, name), header(&head, name), "{target} {name}");
        }
    }
}

// X32. Tornado answers 403, and so says that there is something; here it is as if there were nothing.
#[squall::test]
fn links_that_lead_out_of_the_root_lead_nowhere() {
    let folder = tree();
    let root = folder.join("root");
    symlink("../outside/secret.txt", root.join("file.txt")).unwrap();
    symlink("../outside", root.join("away")).unwrap();
    symlink("../outside/absent", root.join("dangling")).unwrap();
    symlink("../../outside/secret.txt", root.join("none/index.html")).unwrap();
    symlink("a.txt", root.join("same.txt")).unwrap();
    symlink("../a.txt", root.join("dir/up.txt")).unwrap();
    symlink("dir", root.join("again")).unwrap();
    let address = serve("/f/", &root);
    let nothing = yield_!(request(address, "GET", "/f/nothing", ""));
    for target in [
        "/f/file.txt",
        "/f/away",
        "/f/away/",
        "/f/away/secret.txt",
        "/f/away/absent",
        "/f/dangling",
        "/f/none/",
        "/f/none/index.html",
    ] {
        let answer = yield_!(request(address, "GET", target, ""));
        assert_eq!(status(&answer), "404", "{target}");
        assert_eq!(body(&answer), body(&nothing), "{target}");
        assert_eq!(header(&answer, "location"), None, "{target}");
    }
    for (target, want) in [
        ("/f/same.txt", "text of a"),
        ("/f/dir/up.txt", "text of a"),
        ("/f/again/", "the index"),
    ] {
        let answer = yield_!(request(address, "GET", target, ""));
        assert_eq!((status(&answer), body(&answer)), ("200", want), "{target}");
    }

    symlink("root", folder.join("linked")).unwrap();
    let address = serve("/f/", &folder.join("linked"));
    let answer = yield_!(request(address, "GET", "/f/a.txt", ""));
    assert_eq!(body(&answer), "text of a", "the root may be a link itself");
    let out = yield_!(request(address, "GET", "/f/file.txt", ""));
    assert_eq!(status(&out), "404");
}

// X34. A browser reads `//host/dir/` as another host's.
#[squall::test]
fn directory_redirects_to_no_other_host() {
    let folder = tree();
    let address = serve("/", &folder.join("root"));
    let own = yield_!(request(address, "GET", "/dir", ""));
    assert_eq!(header(&own, "location"), Some("/dir/"));
    for target in [
        "//evil.example/../dir",
        "//evil.example/%2e%2e/dir",
        "//evil.example/..%2fdir",
        "/%5cevil.example/%2e%2e/dir",
        "/\\evil.example/../dir",
        "//dir",
        "///dir",
        "/%2fdir",
        "/./dir",
        "/dir/../dir",
    ] {
        let answer = yield_!(request(address, "GET", target, ""));
        let code = status(&answer);
        assert!(["400", "404"].contains(&code), "{target}: {answer}");
        assert_eq!(header(&answer, "location"), None, "{target}");
    }
}
