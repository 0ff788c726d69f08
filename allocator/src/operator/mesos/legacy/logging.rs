//! `/logging/toggle`: telling more for a while.

use crate::{
    log::{raise, verbosity},
    mesos::http::refuse,
    operator::mesos::logging::refused,
};
use axum::{
    extract::Query,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;

/// How much, for how long; as texts, as what is wrong with them is told by Mesos' words.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wish {
    level: Option<String>,
    duration: Option<String>,
}

/// Without a wish: how much it tells now.
pub(super) async fn toggle(Query(wish): Query<Wish>) -> Response {
    let (level, duration) = match (&wish.level, &wish.duration) {
        (None, None) => return format!("{}\n", verbosity()).into_response(),
        (Some(_), None) => return wrong("Expecting 'duration=value' in query."),
        (None, Some(_)) => return wrong("Expecting 'level=value' in query."),
        (Some(level), Some(duration)) => (level, duration),
    };
    let Ok(number) = level.parse::<i32>() else {
        return wrong(format!("Failed to convert '{level}' to number."));
    };
    let Ok(number) = u32::try_from(number) else {
        return wrong(format!("Invalid level '{number}'."));
    };
    let Ok(span) = humantime::parse_duration(duration) else {
        return wrong(format!("Invalid duration '{duration}'."));
    };
    raise(number, span).map_or_else(|error| *refused(&error), |()| StatusCode::OK.into_response())
}

fn wrong(why: impl Into<String>) -> Response {
    *refuse(StatusCode::BAD_REQUEST, why)
}
