//! Who asks, and where those are sent who have to say so.

use std::any::{Any, type_name};
use std::rc::Rc;

use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::exchange::Exchange;
use crate::error::{Error, Result};

impl Exchange {
    /// Returns who asks: what the application's
    /// [`current_user`](crate::Application::current_user) says, which is asked once a request, or what was
    /// [set](Exchange::set_current_user). None if nobody does.
    ///
    /// # Errors
    ///
    /// That of the application's function. 500 if there is none, or it gives another type.
    pub fn current_user<T: 'static>(&mut self) -> Result<Option<Rc<T>>> {
        let known = self.extra.as_ref().and_then(|extra| extra.user.clone());
        let user = match known {
            Some(user) => user,
            None => {
                let user = self.ask_who()?;
                self.extra().user = Some(user.clone());
                user
            }
        };
        let typed = user.map(|user| user.downcast::<T>().map_err(|_| self.other_type::<T>()));
        typed.transpose()
    }

    /// Says who asks, for handlers that find out by waiting, in `prepare`: Tornado's `self.current_user =
    /// …`.
    pub fn set_current_user<T: 'static>(&mut self, user: T) {
        self.extra().user = Some(Some(Rc::new(user)));
    }

    /// Returns who asks, and sends away who is not logged in: Tornado's `authenticated`.
    ///
    /// # Examples
    ///
    /// See [`Application::current_user`](crate::Application::current_user).
    ///
    /// # Errors
    ///
    /// If nobody is logged in: for `GET` and `HEAD` the answer redirects to the application's
    /// [`login_url`](crate::Application::login_url), with where to go from there in `next`, and this is
    /// [`Error::finish`]; 403 for others. As [`current_user`](Exchange::current_user).
    pub fn authenticated<T: 'static>(&mut self) -> Result<Rc<T>> {
        match self.current_user()? {
            Some(user) => Ok(user),
            None => Err(self.send_to_login()),
        }
    }

    /// Returns where the argument `next` says to go after a login, if that is a page of this site.
    ///
    /// Another site's would make the login a way to send people there.
    ///
    /// # Errors
    ///
    /// As [`argument_opt`](Exchange::argument_opt).
    pub fn next_url(&mut self) -> Result<Option<String>> {
        let next = self.argument_opt("next")?;
        Ok(next.filter(|next| is_own_path(next)))
    }

    /// Answers who is not logged in.
    fn send_to_login(&mut self) -> Error {
        if !matches!(*self.request().method(), Method::GET | Method::HEAD) {
            return Error::status_only(StatusCode::FORBIDDEN);
        }
        let site = self.site.as_ref();
        let Some(login) = site.and_then(|site| site.login_url.clone()) else {
            let message =
                "nobody is logged in, and there is no way to: give the application a `login_url`";
            return Error::mistake(message);
        };
        // Elsewhere the path alone would say nothing.
        let next = match login.contains("://") {
            true => self.request().full_url(),
            false => self.request().target().to_owned(),
        };
        let joint = if login.contains('?') { '&' } else { '?' };
        let next = utf8_percent_encode(&next, NON_ALPHANUMERIC);
        match self.redirect(&format!("{login}{joint}next={next}")) {
            Ok(()) => Error::finish(),
            Err(error) => error,
        }
    }

    fn ask_who(&mut self) -> Result<Option<Rc<dyn Any>>> {
        let who = self.site.as_ref().and_then(|site| site.who.clone());
        let Some(who) = who else {
            let message = "nobody knows who asks: give the application a `current_user`, or set it in `prepare`";
            return Err(Error::mistake(message));
        };
        (who.ask)(self)
    }

    fn other_type<T>(&self) -> Error {
        let who = self.site.as_ref().and_then(|site| site.who.as_ref());
        let given = who.map_or("another type", |who| who.type_name);
        let wanted = type_name::<T>();
        Error::mistake(format!(
            "the current user is asked for as {wanted}, and is {given}"
        ))
    }
}

/// True for a path that no browser takes for another host's.
fn is_own_path(url: &str) -> bool {
    let is_plain = !url.contains(|c: char| c.is_control() || c == '\\');
    is_plain && url.starts_with('/') && !url.starts_with("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_site_are_its_own() {
        for good in ["/", "/a/b?c=d#e", "/a//b"] {
            assert!(is_own_path(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "https://evil.example/",
            "javascript:alert(1)",
            "\\\\evil.example",
        ] {
            assert!(!is_own_path(bad), "{bad}");
        }
    }
}
