//! Cases of `parse_request`; the H numbers are those of the measured cases.

use super::super::framing::BodyFraming;
use super::*;

fn parse(wire: &[u8], limits: &Limits) -> Result<(Parse, RequestHead), ParseError> {
    let mut head = RequestHead::new();
    let parse = parse_request(wire, 0, limits, &mut head)?;
    Ok((parse, head))
}

/// Parses `wire` whole and byte by byte, and checks that both come out the same.
#[track_caller]
fn check(wire: &[u8]) -> RequestHead {
    let limits = Limits::default();
    let (parsed, head) = parse(wire, &limits).expect("a good request");
    assert_eq!(parsed, Parse::Complete);
    let mut slow = RequestHead::new();
    for len in 0..head.len() {
        // Both "all was seen before" and "none was" must agree.
        for scanned in [len.saturating_sub(1), 0] {
            let parse = parse_request(&wire[..len], scanned, &limits, &mut slow);
            assert_eq!(parse, Ok(Parse::NeedMore), "after {len} bytes");
        }
    }
    for scanned in 0..head.len() {
        let parse = parse_request(wire, scanned, &limits, &mut slow);
        assert_eq!(parse, Ok(Parse::Complete), "{scanned} bytes scanned");
        assert_eq!(format!("{slow:?}"), format!("{head:?}"));
    }
    head
}

/// Checks that `wire` is refused with `status`, also if it comes byte by byte.
#[track_caller]
fn refuse(wire: &[u8], status: u16) {
    let limits = Limits::default();
    let shown = wire.escape_ascii();
    let error = parse(wire, &limits).expect_err("refused");
    assert_eq!(error.status().as_u16(), status, "{shown}: {error}");
    let mut head = RequestHead::new();
    let slowly = (1..=wire.len())
        .map(|len| parse_request(&wire[..len], len - 1, &limits, &mut head))
        .find(|parse| *parse != Ok(Parse::NeedMore));
    let slowly = slowly.expect("an end").expect_err("refused");
    assert_eq!(slowly.status().as_u16(), status, "{shown}: {slowly}");
}

#[track_caller]
fn refuse_line(line: &[u8], status: u16) {
    refuse(&[line, b"\r\nHost: a\r\n\r\n"].concat(), status);
}

#[track_caller]
fn refuse_field(field: &[u8]) {
    refuse(
        &[b"GET / HTTP/1.1\r\nHost: a\r\n", field, b"\r\n\r\n"].concat(),
        400,
    );
}

#[test]
fn wrk_request_is_parsed() {
    let wire = b"GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\nrest";
    let head = check(wire);
    assert_eq!(head.method(), Method::GET);
    assert_eq!(head.version(), Version::Http11);
    assert_eq!(head.target(wire), "/plaintext");
    assert_eq!(head.path(wire), "/plaintext");
    assert_eq!(head.query(wire), None);
    assert_eq!(head.host(wire), Some("127.0.0.1:8080"));
    assert_eq!(head.framing(), BodyFraming::None);
    assert!(head.keep_alive() && !head.expect_continue() && !head.upgrade());
    assert_eq!(head.len(), wire.len() - 4);
}

#[test]
fn fields_are_found_in_any_case_and_in_order() {
    let wire = b"GET / HTTP/1.1\r\nHost: a\r\nX-T: 1\r\nx-t:\t2 \r\nEmpty:\r\nL1: caf\xe9\r\n\r\n";
    let head = check(wire);
    assert_eq!(head.header(wire, "x-T"), Some(&b"1"[..]));
    assert_eq!(head.header(wire, "empty"), Some(&b""[..])); // H27
    assert_eq!(head.header(wire, "l1"), Some(&b"caf\xe9"[..])); // H26
    assert_eq!(head.header(wire, "absent"), None);
    let names: Vec<&str> = head.headers(wire).map(|(name, _)| name).collect();
    assert_eq!(names, ["Host", "X-T", "x-t", "Empty", "L1"]);
    let map = head.to_header_map(wire);
    let both: Vec<&[u8]> = map.get_all("x-t").iter().map(|v| v.as_bytes()).collect();
    assert_eq!(both, [b"1", b"2"]); // H28
}

#[test]
fn whitespace_around_a_value_is_stripped() {
    let wire = b"GET / HTTP/1.1\r\nHost: a\r\nX-T: \t a\tb \t\r\n\r\n"; // H29
    assert_eq!(check(wire).header(wire, "x-t"), Some(&b"a\tb"[..]));
}

#[test]
fn one_empty_line_before_the_request_is_skipped() {
    let wire = b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"; // H17
    let head = check(wire);
    assert_eq!(head.path(wire), "/");
    assert_eq!(head.len(), wire.len());
    refuse(b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400); // H16
}

#[test]
fn bytes_that_can_never_be_a_request_are_refused_at_once() {
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc";
    assert!(parse(hello, &Limits::default()).is_err());
    assert!(parse(b"\rG", &Limits::default()).is_err());
    assert!(parse(b" G", &Limits::default()).is_err());
}

#[test]
fn line_feed_without_carriage_return_is_refused() {
    refuse(b"GET / HTTP/1.1\nHost: a\nConnection: close\n\n", 400); // H18
    refuse(b"GET / HTTP/1.1\r\nHost: a\n\r\n", 400);
    refuse(b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400);
    refuse_field(b"X: a\nTransfer-Encoding: chunked");
}

#[test]
fn carriage_return_without_line_feed_is_refused() {
    refuse_field(b"X: a\rb"); // H19
    refuse_field(b"X: a\r");
    refuse_field(b"X\r: a");
    refuse_line(b"GET /\r HTTP/1.1", 400);
    refuse_line(b"GET / HTTP/1.1\r", 400);
}

#[test]
fn control_character_is_refused() {
    for byte in (0..0x20).chain([0x7f]).filter(|byte| *byte != b'\t') {
        refuse_field(&[b'X', b':', b' ', b'a', byte, b'b']); // H20
    }
    for byte in (0..=0x20).chain(0x7f..=0xff) {
        refuse_line(&[b"GET /", &[byte][..], b"x HTTP/1.1"].concat(), 400); // H43, H44
        refuse_line(&[b"G", &[byte][..], b"T / HTTP/1.1"].concat(), 400);
    }
}

#[test]
fn malformed_field_name_is_refused() {
    refuse_field(b"asdf"); // H21
    refuse_field(b"X : b"); // H22
    refuse_field(b"X\t: b");
    refuse_field(b": b"); // H23
    refuse_field(b"X(a): b"); // H24
    refuse_field(b"X\xe9: b"); // H25
    refuse_field(b"X y: b");
}

#[test]
fn folded_line_is_refused() {
    refuse_field(b"X-T: a\r\n  b"); // H30
    refuse_field(b"X-T: a\r\n\tb");
    refuse_field(b"X-T:\r\n b");
    refuse(b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400); // H31
}

#[test]
fn malformed_request_line_is_refused() {
    for line in [
        &b"asdf"[..], // H32
        b"GET /",     // H33
        b"GET / x HTTP/1.1",
        b"GET / x HTTP/2.0",
        b"GET  / HTTP/1.1", // H35
        b"GET /  HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b"GET\t/ HTTP/1.1",
        b"GET / HTTP/1.10", // H38
        b"GET / http/1.1",  // H39
        b"GET / HTTP/11",
        b"GET / HTTP/x.y",
        b"GET / HTTP/",
        b"FO,O / HTTP/1.1", // H42
        b"(GET) / HTTP/1.1",
    ] {
        refuse_line(line, 400);
    }
}

#[test]
fn other_version_is_not_supported() {
    for version in ["2.0", "0.9", "3.0", "9.9"] {
        refuse_line(format!("GET / HTTP/{version}").as_bytes(), 505); // H36
    }
}

#[test]
fn later_minor_version_means_the_same() {
    // H37
    for version in ["1.2", "1.9"] {
        let wire = format!("\r\nPOST /a?b HTTP/{version}\r\nHost: h\r\nContent-Length: 3\r\n\r\n");
        let head = check(wire.as_bytes());
        assert_eq!(head.version(), Version::Http11);
        assert_eq!(head.path(wire.as_bytes()), "/a");
        assert_eq!(head.len(), wire.len());
    }
    refuse(b"GET / HTTP/1.2\r\n\r\n", 400); // It needs its Host.
}

#[test]
fn any_token_is_a_method() {
    for method in [
        "get",
        "FOO",
        "M-SEARCH",
        "PROPFIND",
        "AVERYVERYLONGMETHODNAME",
    ] {
        let wire = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"); // H40, H41
        assert_eq!(check(wire.as_bytes()).method(), method);
    }
}

#[test]
fn target_is_split_into_path_and_query() {
    for (line, path, query, host) in [
        ("GET / HTTP/1.1", "/", None, "a"),
        ("GET /info?a=b HTTP/1.1", "/info", Some("a=b"), "a"),
        ("GET /info? HTTP/1.1", "/info", Some(""), "a"),
        ("GET /?a?b HTTP/1.1", "/", Some("a?b"), "a"),
        ("GET //info HTTP/1.1", "//info", None, "a"), // H49
        ("GET /a://b HTTP/1.1", "/a://b", None, "a"),
        (
            "GET http://h.example/info?x HTTP/1.1",
            "/info",
            Some("x"),
            "h.example",
        ), // H45
        ("GET HTTP://h:8/ HTTP/1.1", "/", None, "h:8"),
        ("GET https://[::1]:8?x HTTP/1.1", "/", Some("x"), "[::1]:8"),
        ("GET http://h HTTP/1.1", "/", None, "h"),
        ("OPTIONS * HTTP/1.1", "*", None, "a"),    // H46
        ("CONNECT b:1 HTTP/1.1", "", None, "b:1"), // H47
        ("CONNECT [::1]:443 HTTP/1.1", "", None, "[::1]:443"),
    ] {
        let wire = format!("{line}\r\nHost: a\r\n\r\n");
        let wire = wire.as_bytes();
        let head = check(wire);
        assert_eq!(head.target(wire), line.split(' ').nth(1).unwrap());
        assert_eq!(head.path(wire), path, "{line}");
        assert_eq!(head.query(wire), query, "{line}");
        assert_eq!(head.host(wire), Some(host), "{line}");
    }
}

#[test]
fn target_of_no_known_form_is_refused() {
    for line in [
        "GET info HTTP/1.1",
        "GET * HTTP/1.1",
        "OPTIONS ** HTTP/1.1",
        "GET a:80 HTTP/1.1",
        "GET ftp://h/ HTTP/1.1",
        "GET http:/h HTTP/1.1",
        "GET http:// HTTP/1.1",
        "GET http:///x HTTP/1.1",
        "GET http://u@h/ HTTP/1.1",
        "GET http://a,b/ HTTP/1.1",
        "GET ?a HTTP/1.1",
        "GET /info#c HTTP/1.1",
        "GET /info?a=b#c HTTP/1.1", // H48; Tornado keeps the fragment
        "CONNECT / HTTP/1.1",
        "CONNECT h HTTP/1.1",
        "CONNECT h: HTTP/1.1",
        "CONNECT 12 HTTP/1.1",
        "CONNECT http://h:1 HTTP/1.1",
    ] {
        refuse_line(line.as_bytes(), 400);
    }
}

#[test]
fn host_is_required_once_and_well_formed() {
    refuse(b"GET / HTTP/1.1\r\n\r\n", 400); // H50
    refuse(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400); // H53
    refuse(b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", 400);
    refuse(b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400);
    refuse(b"GET http://h/ HTTP/1.1\r\n\r\n", 400);
    for bad in [&b"a,b"[..], b"a b", b"a/b", b"u@a", b"\xe9", b":80", b"a:x"] {
        refuse(
            &[b"GET / HTTP/1.1\r\nHost: ", bad, b"\r\n\r\n"].concat(),
            400,
        ); // H54–H59
    }
    let empty = b"GET / HTTP/1.1\r\nHost:\r\n\r\n"; // H52
    assert_eq!(check(empty).host(empty), Some(""));
    let literal = b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"; // H58
    assert_eq!(check(literal).host(literal), Some("[::1]:80"));
    let old = b"GET / HTTP/1.0\r\n\r\n"; // H51
    assert_eq!(check(old).host(old), None);
}

#[test]
fn connection_tokens_decide_keep_alive() {
    for (version, connection, want) in [
        ("1.1", "", true),                                   // H1
        ("1.1", "Connection: close\r\n", false),             // H2
        ("1.1", "Connection: Close\r\n", false),             // H3
        ("1.1", "Connection: keep-alive, close\r\n", false), // H4; Tornado keeps it open
        ("1.1", "Connection: x ,\tCLOSE ,y\r\n", false),
        ("1.1", "Connection: x\r\nConnection: close\r\n", false),
        ("1.1", "Connection: closed, enclose\r\n", true),
        ("1.1", "Connection:\r\n", true),
        ("1.0", "", false),                          // H5
        ("1.0", "Connection: keep-alive\r\n", true), // H6
        ("1.0", "Connection: Keep-Alive\r\n", true), // H7
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let wire = format!("GET / HTTP/{version}\r\nHost: a\r\n{connection}\r\n");
        assert_eq!(check(wire.as_bytes()).keep_alive(), want, "{wire}");
    }
}

#[test]
fn expectation_counts_in_http_1_1_only() {
    for (version, value, want) in [
        ("1.1", "100-continue", true),
        ("1.1", "100-Continue", true), // H109; Tornado compares the case
        ("1.1", "foo", false),         // H110
        ("1.0", "100-continue", false),
    ] {
        let wire = format!("PUT / HTTP/{version}\r\nHost: a\r\nExpect: {value}\r\n\r\n");
        assert_eq!(check(wire.as_bytes()).expect_continue(), want, "{wire}");
    }
}

#[test]
fn upgrade_takes_both_headers_and_http_1_1() {
    for (version, fields, want) in [
        (
            "1.1",
            "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n",
            true,
        ),
        ("1.1", "Connection: upgrade\r\n", false),
        ("1.1", "Upgrade: websocket\r\n", false),
        (
            "1.0",
            "Upgrade: websocket\r\nConnection: upgrade\r\n",
            false,
        ),
    ] {
        let wire = format!("GET / HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
        assert_eq!(check(wire.as_bytes()).upgrade(), want, "{wire}");
    }
}

#[test]
fn framing_is_found_while_parsing() {
    for (fields, want) in [
        ("", BodyFraming::None), // H104
        ("Content-Length: 3\r\n", BodyFraming::Length(3)),
        (
            "content-length: 1\r\nCONTENT-LENGTH: 1\r\n",
            BodyFraming::Length(1),
        ),
        ("Transfer-Encoding: chunked\r\n", BodyFraming::Chunked),
    ] {
        let wire = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        assert_eq!(check(wire.as_bytes()).framing(), want, "{wire}");
    }
}

#[test]
fn smuggling_is_refused() {
    refuse_field(b"Content-Length: 3\r\nTransfer-Encoding: chunked"); // H79
    refuse_field(b"Content-Length: 1\r\nContent-Length: 2"); // H76
    refuse_field(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"); // H80
    refuse_field(b"Transfer-Encoding: \x0bchunked");
    refuse_field(b"Transfer-Encoding : chunked");
    refuse_field(b"Transfer-Encoding:\r\n chunked");
    refuse_field(b"Content-Length: \xa01"); // H68
    let coded = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n";
    refuse(coded, 501); // H81
    refuse(
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
    );
}

/// Gives the error that `wire` ends in under a head limit of `max`, whole and
/// byte by byte.
#[track_caller]
fn limited(wire: &[u8], max: usize) -> Option<ParseError> {
    let limits = Limits {
        max_head_bytes: max,
        ..Limits::default()
    };
    let whole = parse(wire, &limits).err();
    let mut head = RequestHead::new();
    let slowly = (1..=wire.len())
        .find_map(|len| parse_request(&wire[..len], len - 1, &limits, &mut head).err());
    assert_eq!(whole, slowly);
    whole
}

#[test]
fn long_head_is_refused_and_one_at_the_limit_is_not() {
    let wire = b"GET / HTTP/1.1\r\nHost: a\r\nX: bbbbbbbbbb\r\n\r\n"; // H106, H107
    assert_eq!(limited(wire, wire.len()), None);
    assert_eq!(
        limited(wire, wire.len() - 1),
        Some(ParseError::HeadTooLarge)
    );
    assert_eq!(limited(wire, 16), Some(ParseError::HeadTooLarge));
    assert_eq!(limited(wire, 15), Some(ParseError::TargetTooLong));
    assert_eq!(ParseError::HeadTooLarge.status(), 431);
    assert_eq!(ParseError::TargetTooLong.status(), 414);
}

// Found by fuzzing: whole it was malformed, in pieces too long.
#[test]
fn reason_of_a_refusal_does_not_depend_on_how_much_came_at_once() {
    let bare = b"GET / HTTP/1.1\r\nX: bbbbbbbbbbbbbbbbbbbb\n\r\n\r\n";
    assert_eq!(limited(bare, 30), Some(ParseError::HeadTooLarge));
    assert_eq!(
        limited(bare, 45),
        Some(ParseError::BadRequest("bare line feed"))
    );
    let noise = [0x16; 40];
    let want = Some(ParseError::BadRequest("not an HTTP request"));
    assert_eq!(limited(&noise, 30), want);
    assert_eq!(limited(b"\n\n\n\n", 30), want);
    assert_eq!(limited(b"\r\n\r\n\r\n", 30), want);
}

#[test]
fn number_of_fields_is_limited() {
    for max in [0, 1, 2, 99, 100, 101, 150] {
        let limits = Limits {
            max_headers: max,
            ..Limits::default()
        };
        let wire = |fields| format!("GET / HTTP/1.0\r\n{}\r\n", "X: y\r\n".repeat(fields));
        let (_, head) = parse(wire(max).as_bytes(), &limits).unwrap();
        assert_eq!(head.fields.len(), max);
        let error = parse(wire(max + 1).as_bytes(), &limits).unwrap_err();
        assert_eq!(error, ParseError::TooManyHeaders);
        assert_eq!(error.status(), 431);
    }
}

#[test]
fn head_is_reused_without_a_trace_of_the_last_request() {
    let mut head = RequestHead::new();
    let limits = Limits::default();
    let first =
        b"PUT /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n";
    let second = b"GET /c HTTP/1.0\r\n\r\n";
    assert_eq!(
        parse_request(first, 0, &limits, &mut head),
        Ok(Parse::Complete)
    );
    assert_eq!(
        parse_request(second, 0, &limits, &mut head),
        Ok(Parse::Complete)
    );
    let (_, fresh) = parse(second, &limits).unwrap();
    assert_eq!(format!("{head:?}"), format!("{fresh:?}"));
}

#[test]
fn any_bytes_are_parsed_or_refused_without_panic() {
    let wire = b"\r\nPOST http://a/b?c HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n";
    for at in 0..wire.len() {
        for byte in 0..=u8::MAX {
            let mut wire = wire.to_vec();
            wire[at] = byte;
            if let Ok((Parse::Complete, head)) = parse(&wire, &Limits::default()) {
                assert!(head.len() <= wire.len());
                assert!(head.path(&wire).starts_with('/'));
            }
        }
    }
}
