//! Paths as Mesos finds their handlers: by the longest prefix, and also behind the name of the actor.

use axum::{Router, routing::MethodRouter};

/// The actor whose name clients may write before a path of a master.
const ACTOR: &str = "/master";

/// Has `handler` answer at `path` and wherever else Mesos' clients look for it: with a slash at the
/// end, with more behind that (`/api/v1/operator`, `/slaves/ID`), and each behind `/master`. Longer
/// paths with a handler of their own go before.
pub(crate) fn at<S: Clone + Send + Sync + 'static>(
    router: Router<S>,
    path: &str,
    handler: &MethodRouter<S>,
) -> Router<S> {
    let prefixes = ["", ACTOR].into_iter();
    let all = prefixes.flat_map(|prefix| ["", "/", "/{*rest}"].map(|suffix| (prefix, suffix)));
    all.fold(router, |router, (prefix, suffix)| {
        router.route(&format!("{prefix}{path}{suffix}"), handler.clone())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{body::Body, http::Request, routing::any};
    use std::convert::Infallible;
    use tonic::codegen::Service;

    async fn answer(router: &mut Router, path: &str) -> String {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let response: Result<_, Infallible> = router.call(request).await;
        let body = axum::body::to_bytes(response.unwrap().into_body(), 100).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn the_longest_prefix_answers() {
        let router = Router::new().fallback(|| async { "none" });
        let router = at(router, "/api/v1", &any(|| async { "operator" }));
        let mut router = at(router, "/api/v1/scheduler", &any(|| async { "scheduler" }));
        for path in ["/api/v1", "/api/v1/", "/api/v1/operator", "/master/api/v1", "/api/v1/a/b"] {
            assert_eq!(answer(&mut router, path).await, "operator", "{path}");
        }
        for path in ["/api/v1/scheduler", "/api/v1/scheduler/", "/master/api/v1/scheduler"] {
            assert_eq!(answer(&mut router, path).await, "scheduler", "{path}");
        }
        for path in ["/api", "/api/v10", "/slave/api/v1"] {
            assert_eq!(answer(&mut router, path).await, "none", "{path}");
        }
    }
}
