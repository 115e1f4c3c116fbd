//! Whether a read has a body, and whether that is one that can be read as every backend reads it.
//!
//! Backends take arguments from bodies of any method, from `multipart/form-data` before the URL, and from whatever else
//! their libraries know: all but a plain form of a POST is refused.

use crate::http::Headers;
use crate::report::Refusal;

/// The one media type of a form.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// Whether a body follows that is a form, or an error where one follows that is none.
pub(super) fn follows(headers: &Headers<'_>, end_of_stream: bool) -> Result<bool, Refusal> {
    let is_post = headers.pseudo(":method") == "POST";
    if !is_post && !end_of_stream {
        return Err(Refusal::BodyNotTaken);
    }
    let media = headers.only("content-type").map_err(|_| Refusal::Repeated("content-type"))?;
    if end_of_stream {
        return Ok(false);
    }
    if headers.first("content-encoding").is_some() {
        return Err(Refusal::Encoding { expected: "none" });
    }
    if media.is_some_and(is_form) { Ok(true) } else { Err(Refusal::MediaType { expected: FORM }) }
}

/// Whether this is the media type of a form, without parameters or in UTF-8.
fn is_form(value: &[u8]) -> bool {
    let Ok(value) = core::str::from_utf8(value) else { return false };
    let (media, parameter) = value.split_once(';').unwrap_or((value, ""));
    let parameter = parameter.trim();
    let charset =
        parameter.split_once('=').map(|(name, value)| (name.trim(), value.trim().trim_matches('"')));
    let is_plain = match charset {
        None => parameter.is_empty(),
        Some((name, value)) => name.eq_ignore_ascii_case("charset") && value.eq_ignore_ascii_case("utf-8"),
    };
    media.trim().eq_ignore_ascii_case(FORM) && is_plain
}

/// A GET that becomes a websocket has no body, whatever its stream says; one that does not must have none. Always `false`.
pub(super) fn is_no_websocket(headers: &Headers<'_>, end_of_stream: bool) -> Result<bool, Refusal> {
    let upgrade = headers.only("upgrade").map_err(|_| Refusal::Repeated("upgrade"))?;
    let is_websocket = upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case(b"websocket"));
    if (is_websocket || end_of_stream) && headers.first("content-type").is_none() {
        Ok(false)
    } else {
        Err(Refusal::BodyNotTaken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let post = (":method", "POST");
        let get = (":method", "GET");
        let form = ("content-type", FORM);
        let cases: &[(&[(&str, &str)], bool, Result<bool, &str>)] = &[
            (&[get], true, Ok(false)),
            (&[get, form], true, Ok(false)),
            (&[get], false, Err("body_not_taken")),
            (&[get, form], false, Err("body_not_taken")),
            (&[(":method", "DELETE"), form], false, Err("body_not_taken")),
            (&[post], true, Ok(false)),
            (&[post, form], false, Ok(true)),
            (&[post, ("content-type", "Application/X-WWW-Form-Urlencoded")], false, Ok(true)),
            (&[post, ("content-type", "application/x-www-form-urlencoded; charset=UTF-8")], false, Ok(true)),
            (
                &[post, ("content-type", "application/x-www-form-urlencoded;charset=\"utf-8\"")],
                false,
                Ok(true),
            ),
            (&[post, ("content-type", "application/x-www-form-urlencoded;")], false, Ok(true)),
            (
                &[post, ("content-type", "application/x-www-form-urlencoded; charset=utf-16")],
                false,
                Err("media_type"),
            ),
            (
                &[post, ("content-type", "application/x-www-form-urlencoded; charset=utf-8; a=b")],
                false,
                Err("media_type"),
            ),
            (&[post, ("content-type", "application/x-www-form-urlencoded; x")], false, Err("media_type")),
            (
                &[post, ("content-type", "application/x-www-form-urlencoded, text/plain")],
                false,
                Err("media_type"),
            ),
            (&[post, ("content-type", "multipart/form-data; boundary=x")], false, Err("media_type")),
            (&[post, ("content-type", "application/json")], false, Err("media_type")),
            (&[post, ("content-type", "")], false, Err("media_type")),
            (&[post], false, Err("media_type")),
            (&[post, form, form], false, Err("repeated_header")),
            (&[post, form, ("content-encoding", "gzip")], false, Err("encoding")),
            (&[post, form, ("content-encoding", "identity")], false, Err("encoding")),
        ];
        for (head, end_of_stream, expected) in cases {
            let headers = Headers::new(head.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect());
            let result = follows(&headers, *end_of_stream);
            assert_eq!(result.as_ref().map_err(Refusal::reason).copied(), *expected, "{head:?}");
        }
        let websocket = ("upgrade", "WebSocket");
        for (head, end_of_stream, expected) in [
            (&[get, websocket][..], false, true),
            (&[get], true, true),
            (&[get], false, false),
            (&[get, websocket, form], false, false),
            (&[get, ("upgrade", "h2c")], false, false),
            (&[get, websocket, websocket], false, false),
        ] {
            let headers = Headers::new(head.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect());
            assert_eq!(is_no_websocket(&headers, end_of_stream).is_ok(), expected, "{head:?}");
        }
    }
}
