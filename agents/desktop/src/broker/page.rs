//! What a browser shows where the broker says no.

use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

use super::relay::Body;

/// A page that says what was refused or failed, and what to do.
pub(super) fn page(status: StatusCode, title: &str, why: &str) -> Response<Body> {
    let (title, why) = (escape(title), escape(why));
    let text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
         <body style=\"font:16px sans-serif;margin:4em auto;max-width:34em\"><h1>{title}</h1><p>{why}</p>\
         <p>Only a manager can change what this desktop may reach.</p></body></html>\n"
    );
    let mut response = Response::new(Body::Page(Full::new(text.into())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn escape(text: &str) -> String {
    text.chars().take(400).fold(String::new(), |mut out, c| {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
        out
    })
}
