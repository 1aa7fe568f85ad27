//! Cookies: plain, signed, and against forged requests.

use std::collections::BTreeMap;

use serde::Serialize;
use squall_web::{Cookie, Exchange, Result};

use super::{bad_request, text};

#[derive(Serialize)]
struct Cookies {
    cookies: BTreeMap<String, String>,
}

/// The cookie that the arguments name.
fn named(ex: &mut Exchange) -> Result<Cookie> {
    let cookie = Cookie::new(ex.argument("name")?, ex.argument("value")?);
    // A name or value that no cookie can have is the client's mistake here.
    let can_be_set = cookie.to_header(std::time::SystemTime::UNIX_EPOCH);
    match can_be_set {
        Ok(_) => Ok(cookie),
        Err(error) => Err(bad_request(error.to_string())),
    }
}

pub(crate) fn set(ex: &mut Exchange) -> Result<()> {
    let cookie = named(ex)?;
    ex.set_cookie(cookie)?;
    ok(ex)
}

pub(crate) fn get(ex: &mut Exchange) -> Result<()> {
    let cookies = ex.request().cookies().into_iter().collect();
    ex.write_json(&Cookies { cookies })
}

pub(crate) fn set_signed(ex: &mut Exchange) -> Result<()> {
    let (name, value) = (ex.argument("name")?, ex.argument("value")?);
    // Any value can be signed; the name is looked at.
    if let Err(error) = Cookie::new(name.as_str(), "").to_header(std::time::SystemTime::UNIX_EPOCH)
    {
        return Err(bad_request(error.to_string()));
    }
    ex.set_signed_cookie((name, value))?;
    ok(ex)
}

#[derive(Serialize)]
struct Value {
    value: Option<String>,
}

pub(crate) fn get_signed(ex: &mut Exchange) -> Result<()> {
    let name = ex.argument("name")?;
    let value = ex.signed_cookie(&name)?;
    ex.write_json(&Value { value })
}

#[derive(Serialize)]
struct Token {
    token: String,
}

pub(crate) fn token(ex: &mut Exchange) -> Result<()> {
    let token = ex.xsrf_token()?;
    ex.write_json(&Token { token })
}

pub(crate) fn checked(ex: &mut Exchange) -> Result<()> {
    ex.check_xsrf()?;
    ok(ex)
}

fn ok(ex: &mut Exchange) -> Result<()> {
    text(ex)?;
    ex.write("ok");
    Ok(())
}
