//! Mesos' names for the same page: `/slave(1)/state` is `/state`.

use axum::http::{Request, Uri, uri::PathAndQuery};

/// As written, and as clients that are strict about parentheses write it.
const PREFIXES: [&str; 2] = ["/slave(1)", "/slave%281%29"];

/// The same request without the actor's name before its path.
pub(super) fn strip<B>(mut request: Request<B>) -> Request<B> {
    if let Some(shorter) = shorter(request.uri()) {
        *request.uri_mut() = shorter;
    }
    request
}

fn shorter(uri: &Uri) -> Option<Uri> {
    let whole = uri.path_and_query()?.as_str();
    let rest = PREFIXES.iter().find_map(|prefix| whole.strip_prefix(prefix))?;
    let rest = match rest.bytes().next() {
        Some(b'/') => rest.to_owned(),
        None | Some(b'?') => format!("/{rest}"),
        Some(_) => return None,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(rest).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_goes_and_nothing_else() {
        let of = |text: &'static str| shorter(&Uri::from_static(text)).map(|uri| uri.to_string());
        assert_eq!(of("/slave(1)/state?jsonp=a").as_deref(), Some("/state?jsonp=a"));
        assert_eq!(of("/slave%281%29/files/read?path=/a").as_deref(), Some("/files/read?path=/a"));
        assert_eq!(of("/slave(1)").as_deref(), Some("/"));
        assert_eq!(of("/slave(1)x/state"), None);
        assert_eq!(of("/state"), None);
    }
}
