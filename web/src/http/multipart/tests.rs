use super::*;

/// A part as it came: name, file name, type, content.
type Part = (String, Option<String>, Option<String>, Vec<u8>);

/// Decodes a form that comes in pieces of `size` bytes.
fn decode_in(
    size: usize,
    content_type: &str,
    form: &[u8],
    limits: MultipartLimits,
) -> Result<Vec<Part>, MultipartError> {
    let mut decoder = MultipartDecoder::new(content_type, limits)?;
    let mut parts: Vec<Part> = Vec::new();
    let mut held = Vec::new();
    for piece in form.chunks(size) {
        held.extend_from_slice(piece);
        loop {
            let (used, event) = decoder.decode(&held)?;
            match event {
                MultipartEvent::Part(head) => {
                    parts.push((head.name, head.file_name, head.content_type, Vec::new()));
                }
                MultipartEvent::Data(range) => {
                    assert!(!range.is_empty());
                    parts.last_mut().unwrap().3.extend_from_slice(&held[range]);
                }
                MultipartEvent::PartEnd => {}
                MultipartEvent::Finished => return Ok(parts),
                MultipartEvent::NeedMore => {
                    held.drain(..used);
                    break;
                }
            }
            held.drain(..used);
        }
    }
    Err(MultipartError::Truncated)
}

#[track_caller]
fn decode_as(content_type: &str, form: &[u8]) -> Result<Vec<Part>, MultipartError> {
    let whole = decode_in(usize::MAX, content_type, form, MultipartLimits::default());
    for size in [1, 2, 3, 7, 64] {
        let pieces = decode_in(size, content_type, form, MultipartLimits::default());
        assert_eq!(pieces, whole, "in pieces of {size} bytes");
    }
    whole
}

#[track_caller]
fn decode(form: &str) -> Result<Vec<Part>, MultipartError> {
    decode_as("multipart/form-data; boundary=1234", form.as_bytes())
}

#[track_caller]
fn check(form: &str, want: &[(&str, Option<&str>, &str)]) {
    let parts = decode(form).unwrap_or_else(|error| panic!("{error}: {form:?}"));
    let parts: Vec<_> = (parts.iter())
        .map(|(name, file, _, content)| {
            (&**name, file.as_deref(), str::from_utf8(content).unwrap())
        })
        .collect();
    assert_eq!(parts, want, "{form:?}");
}

#[track_caller]
fn refuse(form: &str, why: &str) {
    let error = decode(form).expect_err(form);
    assert!(error.to_string().contains(why), "{form:?}: {error}");
}

fn field(disposition: &str, content: &str) -> String {
    format!("--1234\r\nContent-Disposition: {disposition}\r\n\r\n{content}\r\n--1234--\r\n")
}

#[test]
fn fields_and_files_are_told_apart() {
    check(&field("form-data; name=\"a\"", "b"), &[("a", None, "b")]);
    let form = "--1234\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\nx=1&y\r\n\
        --1234\r\nContent-Disposition: form-data; name=f; filename=\"a.txt\"\r\n\
        content-type: text/plain\r\n\r\nline\r\n\r\n--12\r\n--1234--\r\n";
    check(
        form,
        &[
            ("t", None, "x=1&y"),
            ("f", Some("a.txt"), "line\r\n\r\n--12"),
        ],
    );
    assert_eq!(decode(form).unwrap()[1].2.as_deref(), Some("text/plain"));
}

#[test]
fn what_looks_like_a_boundary_is_content() {
    let content = "a\r\n--12345\r\n--1234x\r\n--123\r\n--1234 y\r\n\r\r\n-\r\n--";
    check(
        &field("form-data; name=a", content),
        &[("a", None, content)],
    );
    check(
        &field("form-data; name=a", "\n--1234\n"),
        &[("a", None, "\n--1234\n")],
    );
}

#[test]
fn empty_content_with_and_without_a_line_of_its_own() {
    check(&field("form-data; name=a", ""), &[("a", None, "")]);
    check(
        "--1234\r\nContent-Disposition: form-data; name=a\r\n\r\n--1234--",
        &[("a", None, "")],
    );
    check(
        &field("form-data; name=a; filename=\"\"", ""),
        &[("a", Some(""), "")],
    );
}

#[test]
fn text_around_the_parts_is_no_part() {
    let form = field("form-data; name=a", "b");
    check(&format!("{form}--1234 after"), &[("a", None, "b")]); // U8
    check(&format!("before\r\n{form}"), &[("a", None, "b")]);
    check(&format!("--1234x\r\n{form}"), &[("a", None, "b")]);
    check(
        &form.replace("--1234\r", "--1234 \t\r"),
        &[("a", None, "b")],
    );
    check("--1234--", &[]);
    check(&format!("\r\n{form}"), &[("a", None, "b")]);
}

#[test]
fn names_are_unquoted() {
    // U3, U5
    for (written, name) in [
        ("a.txt", "a.txt"),
        ("\"a b\"", "a b"),
        ("\"a;b\"", "a;b"),
        ("\"a\\\"b\"", "a\"b"),
        ("\"a\\\\b\"", "a\\b"),
        ("\"C:\\dir\\f\"", "C:\\dir\\f"),
        ("\"a\tb\"", "a\tb"),
        ("\"a%22b\"", "a%22b"),
        ("\"é.txt\"", "é.txt"),
        ("\"../../etc/passwd\"", "../../etc/passwd"),
        ("\"x\"; filename*=UTF-8''%C3%A9%20b", "é b"),
        ("\"x\"; filename*=utf-8'en'a%2Fb", "a/b"),
        ("\"x\"; filename*=ISO-8859-1''caf%E9", "café"),
        ("x ; size=3", "x"),
    ] {
        let form = field(&format!("form-data; name=\"f\"; filename={written}"), "x");
        check(&form, &[("f", Some(name), "x")]);
    }
    check(&field("FORM-DATA;NAME=a", "b"), &[("a", None, "b")]);
}

#[test]
fn boundary_may_be_quoted_and_odd() {
    let seventy = "b".repeat(70);
    for (parameter, boundary) in [
        ("\"1234\"", "1234"), // U6
        ("\"a b;c=?\"", "a b;c=?"),
        ("----=_Part/1", "----=_Part/1"),
        ("x; charset=utf-8", "x"),
        (&seventy, &seventy),
    ] {
        let form = field("form-data; name=a", "b").replace("1234", boundary);
        let content_type = format!("Multipart/Form-Data; Boundary={parameter}");
        assert_eq!(decode_as(&content_type, form.as_bytes()).unwrap().len(), 1);
    }
    let long = format!("; boundary={}", "b".repeat(71));
    for bad in [
        "",
        "; boundary=",
        "; boundary=\"\"",
        "; boundary=\"a",
        "; boundary=\"a \"",
        "; boundary=é",
        "; charset=x",
        "; boundary=a; boundary=b",
        "; boundary",
        &long,
    ] {
        let content_type = format!("multipart/form-data{bad}");
        let made = MultipartDecoder::new(&content_type, MultipartLimits::default());
        assert!(matches!(made, Err(MultipartError::Malformed(_))), "{bad}"); // H133
    }
    assert!(MultipartDecoder::new("text/plain; boundary=a", MultipartLimits::default()).is_err());
}

#[test]
fn malformed_form_is_refused_with_the_reason() {
    refuse("", "ends before");
    refuse("x", "ends before");
    refuse("--1234", "ends before");
    refuse(
        "--1234\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n",
        "ends before",
    ); // H128
    refuse(
        "--1234\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb--1234--\r\n",
        "ends before",
    ); // U7
    refuse(
        "--1234\nContent-Disposition: form-data; name=\"a\"\n\nb\n--1234--\n",
        "ends before",
    );
    refuse(&field("form-data; filename=\"a\"", "b"), "no name"); // H129
    refuse(&field("form-data; name=\"\"", "b"), "no name");
    refuse(&field("form-data", "b"), "no name");
    refuse(&field("invalid; name=\"a\"", "b"), "not form-data"); // H130
    refuse("--1234\r\n\r\nb\r\n--1234--\r\n", "no Content-Disposition"); // H131
    refuse(
        "--1234\r\nContent-Type: text/plain\r\n\r\nb\r\n--1234--\r\n",
        "no Content-Disposition",
    );
    refuse(&field("form-data; name=a; name=b", "b"), "twice");
    refuse(
        &field("form-data; name=a; filename=b; filename=c", "b"),
        "twice",
    );
    refuse(&field("form-data; name=\"a", "b"), "closing quote");
    refuse(&field("form-data; name=\"a\"b", "b"), "name=value");
    refuse(&field("form-data; name", "b"), "name=value");
    refuse(&field("form-data; name=a; filename*=b", "b"), "filename*");
    refuse(
        &field("form-data; name=a; filename*=UTF-8''%FF", "b"),
        "filename*",
    );
    refuse(
        &field("form-data; name=a; filename*=koi8-r''a", "b"),
        "neither",
    );
    refuse(
        &field("form-data; name=a; filename*=UTF-8''a%0Ab", "b"),
        "control",
    );
    for bad in ['\r', '\0', '\x08', '\x7f'] {
        refuse(
            &field(&format!("form-data; name=a; filename=\"x{bad}y\""), "b"),
            "c",
        ); // U4
    }
    refuse(
        "--1234\r\nX y: 1\r\n\r\nb\r\n--1234--\r\n",
        "no header field",
    );
    refuse(
        "--1234\r\nContent-Disposition: form-data; name=a\r\n b\r\n\r\nb\r\n--1234--\r\n",
        "no header field",
    );
    let twice = "--1234\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b\r\n\r\nb\r\n--1234--\r\n";
    refuse(twice, "two");
    let latin = decode_as(
        "multipart/form-data; boundary=1",
        b"--1\r\nContent-Disposition: form-data; name=\"\xe9\"\r\n\r\n\r\n--1--",
    );
    assert!(latin.unwrap_err().to_string().contains("UTF-8"));
}

#[test]
fn limits_hold() {
    // U9, H132
    let part = "--1234\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n";
    assert_eq!(
        decode(&(part.repeat(1000) + "--1234--")).unwrap().len(),
        1000
    );
    let error = decode(&(part.repeat(1001) + "--1234--"));
    assert_eq!(error, Err(MultipartError::TooManyParts));
    let long = format!("--1234\r\nX: {}", "x".repeat(20_000));
    assert_eq!(decode(&long), Err(MultipartError::PartHeadTooLarge));
    let limits = MultipartLimits {
        max_field_bytes: 5,
        ..MultipartLimits::default()
    };
    let decode = |form: String| {
        decode_in(
            1,
            "multipart/form-data; boundary=1234",
            form.as_bytes(),
            limits.clone(),
        )
    };
    assert!(decode(field("form-data; name=a", "12345")).is_ok());
    let error = decode(field("form-data; name=a", "123456"));
    assert_eq!(error, Err(MultipartError::FieldTooLarge));
    assert_eq!(error.unwrap_err().status(), 413);
    assert!(decode(field("form-data; name=a; filename=f", "123456")).is_ok());
}

// CVE-2025-67726: time has to grow with the length, not with its square.
#[test]
fn long_parameters_take_linear_time() {
    let many = |n: usize| format!("form-data; name=\"a\"; x=\"{}\"", ";".repeat(n));
    assert!(Disposition::parse(&many(2_000_000)).is_ok());
    let escapes = format!("form-data; name=\"{}\"", "\\\"".repeat(1_000_000));
    assert_eq!(Disposition::parse(&escapes).unwrap().name.len(), 1_000_000);
}
