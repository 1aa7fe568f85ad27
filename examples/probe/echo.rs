//! What came, told back: bodies, headers, arguments, forms.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};
use squall_web::{Error, Exchange, Result, StatusCode};

/// Answers with the request's body.
pub(crate) fn echo(ex: &mut Exchange) -> Result<()> {
    let request = ex.request();
    let method = request.method().as_str().to_owned();
    let content_type = request.header("content-type").map(<[u8]>::to_vec);
    let body = request.body().to_vec();
    let content_type = content_type.unwrap_or_else(|| b"application/octet-stream".to_vec());
    let content_type = squall_web::header::HeaderValue::from_bytes(&content_type)?;
    ex.set_header("content-type", content_type)?;
    ex.set_header("x-method", method)?;
    ex.write(body);
    Ok(())
}

/// Names with all the values that each has, in order.
type Lists = BTreeMap<String, Vec<String>>;

fn lists<'a>(pairs: impl IntoIterator<Item = &'a (String, String)>) -> Lists {
    let mut lists = Lists::new();
    for (name, value) in pairs {
        lists.entry(name.clone()).or_default().push(value.clone());
    }
    lists
}

/// Answers with the request's headers, as ISO 8859-1.
pub(crate) fn headers(ex: &mut Exchange) -> Result<()> {
    let mut all = Lists::new();
    for (name, value) in ex.request().headers() {
        let value: String = value.iter().copied().map(char::from).collect();
        let value = value.trim_matches([' ', '\t']).to_owned();
        all.entry(name.to_ascii_lowercase())
            .or_default()
            .push(value);
    }
    ex.write_json(&all)
}

#[derive(Serialize)]
struct Args {
    query: Lists,
    path: String,
}

/// Answers with the query's arguments.
pub(crate) fn args(ex: &mut Exchange) -> Result<()> {
    let query = lists(ex.query_arguments()?);
    let path = ex.request().path().to_owned();
    ex.write_json(&Args { query, path })
}

#[derive(Serialize)]
struct Form {
    args: Lists,
    files: BTreeMap<String, Vec<File>>,
}

#[derive(Serialize)]
struct File {
    filename: String,
    content_type: String,
    size: usize,
    sha256: String,
}

/// Answers with what a form has, and the sums of its files.
pub(crate) fn form(ex: &mut Exchange) -> Result<()> {
    const FORMS: [&str; 2] = ["application/x-www-form-urlencoded", "multipart/form-data"];
    let content_type = ex.request().header_str("content-type").unwrap_or("");
    let essence = content_type.split(';').next().unwrap_or("").trim();
    if !FORMS.iter().any(|form| essence.eq_ignore_ascii_case(form)) {
        return Err(Error::status_only(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let args = lists(ex.body_arguments()?);
    let mut files: BTreeMap<String, Vec<File>> = BTreeMap::new();
    for file in ex.files()? {
        let list = files.entry(file.name().to_owned()).or_default();
        list.push(File {
            filename: file.file_name().to_owned(),
            content_type: file.content_type().unwrap_or("text/plain").to_owned(),
            size: file.content().len(),
            sha256: hex(&Sha256::digest(file.content())),
        });
    }
    ex.write_json(&Form { args, files })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
