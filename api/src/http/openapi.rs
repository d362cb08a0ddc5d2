//! `GET /openapi.json`: the document, generated from the handlers, and `/docs`, where it can be read.
//!
//! What holds for every operation (its key, the problems anybody can meet) is added here once, so that a handler tells only
//! what is its own.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderValue, Method, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use domain::fault::Fault;
use engine::Refusal;
use serde_json::json;
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa_swagger_ui::{Config, SwaggerFile, serve};

use super::body::{BODY_BYTES_MAX, too_large, unsupported_media_type};
use super::problem::Problem;

const PROBLEM_JSON: &str = "application/problem+json";

/// What the document says before any operation.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Orderlight",
        description = "Real-time order-health screening for shops that sell on many channels at once.\n\n\
            Money is in integer minor units beside its currency; times are RFC 3339, answered in UTC with milliseconds; the id of \
            an order is `{channel}:{order_no}`. A write answers with the header `Orderlight-Position`; a read with \
            `?after=<that>` waits until it sees the write. Errors are RFC 9457 problem details with a stable `code`, and name \
            every fault of a body in `errors`. The roles that may call an operation are in its `x-roles`; an empty list needs \
            no key."
    ),
    servers((url = "/", description = "This server")),
    tags(
        (name = "Notices in", description = "What happened to orders, from anywhere"),
        (name = "Channels", description = "Sales channels and their webhooks"),
        (name = "Looking up", description = "Orders, their history and their decisions"),
        (name = "Challenges", description = "What customers answer"),
        (name = "Reviews", description = "Orders that a person looks at"),
        (name = "Rules", description = "Rulebooks: written, published, rolled back, compared"),
        (name = "Audit", description = "Whether decisions are as they were recorded"),
        (name = "Jobs", description = "Long tasks: asked after, watched, ended"),
        (name = "Signals", description = "Numbers that others know, for rules to read"),
        (name = "Notifications", description = "Other systems that are told of what happens"),
        (name = "Merchants and keys", description = "Who may do what"),
        (name = "Operations", description = "How the service is"),
    )
)]
struct Foreword;

/// The document before any operation is in it.
pub fn foreword() -> OpenApi {
    Foreword::openapi()
}

/// The document as it is published.
#[derive(Clone)]
pub struct Published(Bytes);

impl Published {
    /// Of a finished document.
    pub fn new(document: &OpenApi) -> Self {
        Self(document.to_pretty_json().expect("a document has a JSON form").into())
    }
}

/// This document
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    tag = "Operations",
    extensions(("x-roles" = json!([]))),
    responses((status = 200, description = "OpenAPI 3.1", body = Object, example = json!({"openapi": "3.1.0"})))
)]
pub async fn handle(Extension(Published(json)): Extension<Published>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}

/// The page that shows the document.
const PAGE: &str = r#"<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="UTF-8">
    <title>Orderlight</title>
    <link rel="stylesheet" href="/docs/swagger-ui.css">
    <link rel="stylesheet" href="/docs/index.css">
    <link rel="icon" type="image/png" href="/docs/favicon-32x32.png" sizes="32x32">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="/docs/swagger-ui-bundle.js" charset="UTF-8"></script>
    <script src="/docs/swagger-ui-standalone-preset.js" charset="UTF-8"></script>
    <script src="/docs/swagger-initializer.js" charset="UTF-8"></script>
  </body>
</html>
"#;

/// The page that shows the document, and its files; all that it needs comes from here.
pub fn pages<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let config =
        Config::from("/openapi.json").try_it_out_enabled(true).display_request_duration(true).validator_url("none");
    let config = Arc::new(config.show_extensions(true));
    let page = || get(async || Html(PAGE));
    let files = get(async move |Path(name): Path<String>| file(&name, config));
    Router::new().route("/docs", page()).route("/docs/", page()).route("/docs/{*file}", files)
}

fn file(name: &str, config: Arc<Config<'static>>) -> Response {
    match serve(name, config) {
        Ok(Some(SwaggerFile { bytes, content_type, gzpipped, .. })) => {
            let mut response = ([(header::CONTENT_TYPE, content_type)], bytes).into_response();
            if gzpipped {
                response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            response
        }
        Ok(None) => Problem::not_found("there is no such path").into_response(),
        Err(error) => Problem::internal(&*error).into_response(),
    }
}

/// Every operation of a document with its path and method.
pub fn operations(document: &OpenApi) -> impl Iterator<Item = (&str, Method, &Operation)> {
    document.paths.paths.iter().flat_map(|(path, item)| {
        let PathItem { get, put, post, delete, patch, .. } = item;
        let all = [
            (Method::GET, get),
            (Method::PUT, put),
            (Method::POST, post),
            (Method::DELETE, delete),
            (Method::PATCH, patch),
        ];
        all.into_iter().filter_map(move |(method, operation)| Some((path.as_str(), method, operation.as_ref()?)))
    })
}

/// Adds to a document what holds for all of its operations.
pub fn complete(mut document: OpenApi) -> OpenApi {
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("key", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    let shared = shared_problems();
    for Shared { name, example: problem, .. } in &shared {
        let example = serde_json::to_value(problem).expect("a problem has a JSON form");
        let content = Content::builder().schema(Some(Ref::from_schema_name("Problem"))).example(Some(example)).build();
        let response = ResponseBuilder::new().description(problem.title()).content(PROBLEM_JSON, content).build();
        components.responses.insert((*name).to_owned(), response.into());
    }
    for (path, item) in &mut document.paths.paths {
        let PathItem { get, put, post, delete, patch, .. } = item;
        for operation in [get, put, post, delete, patch].into_iter().flatten() {
            complete_operation(path, operation, &shared);
        }
    }
    document
}

/// A problem that many operations share.
struct Shared {
    name: &'static str,
    met_by: fn(&str, &Operation) -> bool,
    example: Problem,
}

fn shared_problems() -> Vec<Shared> {
    let shared = |name, met_by, example| Shared { name, met_by, example };
    let quantity = Fault::new("/lines/0/quantity", "expected a whole number from 1 to 1000000, found 0");
    vec![
        shared(
            "Malformed",
            takes_input,
            Problem::malformed("not JSON: EOF while parsing an object at line 1 column 1"),
        ),
        shared("Unauthorized", needs_key, Problem::unauthorized()),
        shared("Forbidden", needs_key, Problem::forbidden("this needs a key with one of the roles admin")),
        shared("NotFound", |path, _| path.contains('{'), Problem::not_found("there is no order \"web:A1001\"")),
        shared("TooLarge", takes_json, too_large("body", BODY_BYTES_MAX)),
        shared("UnsupportedMediaType", takes_typed_body, unsupported_media_type(&["application/json"])),
        shared("Invalid", |path, it| takes_json(path, it) && needs_key(path, it), Problem::invalid(vec![quantity])),
        shared("Unavailable", needs_key, Refusal::Unavailable.into()),
    ]
}

fn needs_key(_path: &str, operation: &Operation) -> bool {
    let roles = operation.extensions.as_ref().and_then(|extensions| extensions.get("x-roles"));
    roles.is_none_or(|roles| *roles != json!([]))
}

fn takes_input(_path: &str, operation: &Operation) -> bool {
    operation.request_body.is_some() || operation.parameters.is_some()
}

fn takes_typed_body(path: &str, operation: &Operation) -> bool {
    operation.request_body.is_some() && needs_key(path, operation)
}

fn takes_json(_path: &str, operation: &Operation) -> bool {
    let Some(RefOr::T(body)) = &operation.request_body else { return false };
    body.content.contains_key("application/json")
}

fn complete_operation(path: &str, operation: &mut Operation, shared: &[Shared]) {
    for response in operation.responses.responses.values_mut() {
        let RefOr::T(response) = response else { continue };
        let tells_problem = response.content.get("application/json").is_some_and(is_problem);
        if tells_problem && let Some(content) = response.content.shift_remove("application/json") {
            response.content.insert(PROBLEM_JSON.to_owned(), content);
        }
    }
    for Shared { name, met_by, example } in shared {
        if met_by(path, operation) {
            let status = example.status().as_str().to_owned();
            operation.responses.responses.entry(status).or_insert_with(|| Ref::from_response_name(*name).into());
        }
    }
    if needs_key(path, operation) {
        operation.security = Some(vec![SecurityRequirement::new("key", Vec::<String>::new())]);
    }
}

fn is_problem(content: &RefOr<Content>) -> bool {
    let RefOr::T(Content { schema: Some(RefOr::Ref(schema)), .. }) = content else { return false };
    schema.ref_location.ends_with("/Problem")
}
