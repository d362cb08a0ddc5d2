//! `GET /openapi.json`: the document, generated from the handlers, and `/docs`, where it can be read.
//!
//! What holds for every operation (its key, the problems anybody can meet) is added here once, so that a handler tells only
//! what is its own.

use axum::Extension;
use axum::body::Bytes;
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa_swagger_ui::{Config, SwaggerUi};

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
        (name = "Reviews", description = "Orders that a person looks at"),
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

/// Pages that show the document; all that they need comes from here.
pub fn pages() -> SwaggerUi {
    let config = Config::from("/openapi.json").try_it_out_enabled(true).display_request_duration(true).validator_url("none");
    SwaggerUi::new("/docs").config(config.show_extensions(true))
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
    for (name, _, problem) in common_problems() {
        let example = serde_json::to_value(&problem).expect("a problem has a JSON form");
        let content =
            Content::builder().schema(Some(Ref::from_schema_name("Problem"))).example(Some(example)).build();
        let response = ResponseBuilder::new().description(problem.title()).content(PROBLEM_JSON, content).build();
        components.responses.insert(name.to_owned(), response.into());
    }
    for (path, item) in &mut document.paths.paths {
        let PathItem { get, put, post, delete, patch, .. } = item;
        for operation in [get, put, post, delete, patch].into_iter().flatten() {
            complete_operation(path, operation);
        }
    }
    document
}

/// Problems that many operations share: name, whether an operation can meet it, and an example.
fn common_problems() -> [(&'static str, fn(&str, &Operation) -> bool, Problem); 8] {
    let quantity = domain::fault::Fault::new("/lines/0/quantity", "expected a whole number from 1 to 1000000, found 0");
    [
        ("Malformed", |_, operation| operation.request_body.is_some() || operation.parameters.is_some(), {
            Problem::malformed("not JSON: EOF while parsing an object at line 1 column 1")
        }),
        ("Unauthorized", |_, operation| needs_key(operation), Problem::unauthorized()),
        ("Forbidden", |_, operation| needs_key(operation), Problem::forbidden("this needs a key with one of the roles admin")),
        ("NotFound", |path, _| path.contains('{'), Problem::not_found("there is no order \"web:A1001\"")),
        ("TooLarge", |_, operation| operation.request_body.is_some(), super::body::too_large("body", super::body::BODY_BYTES_MAX)),
        ("UnsupportedMediaType", |_, operation| needs_key(operation) && operation.request_body.is_some(), {
            super::body::unsupported_media_type(&["application/json"])
        }),
        ("Invalid", |_, operation| needs_key(operation) && operation.request_body.is_some(), Problem::invalid(vec![quantity])),
        ("Unavailable", |_, operation| needs_key(operation), engine::Refusal::Unavailable.into()),
    ]
}

fn needs_key(operation: &Operation) -> bool {
    let roles = operation.extensions.as_ref().and_then(|extensions| extensions.get("x-roles"));
    roles.is_none_or(|roles| *roles != json!([]))
}

fn complete_operation(path: &str, operation: &mut Operation) {
    for response in operation.responses.responses.values_mut() {
        let RefOr::T(response) = response else { continue };
        let tells_problem = response.content.get("application/json").is_some_and(is_problem);
        if tells_problem && let Some(content) = response.content.shift_remove("application/json") {
            response.content.insert(PROBLEM_JSON.to_owned(), content);
        }
    }
    for (name, can_meet, problem) in common_problems() {
        if can_meet(path, operation) {
            let status = problem.status().as_str().to_owned();
            operation.responses.responses.entry(status).or_insert_with(|| Ref::from_response_name(name).into());
        }
    }
    if needs_key(operation) {
        operation.security = Some(vec![SecurityRequirement::new("key", Vec::<String>::new())]);
    }
}

fn is_problem(content: &RefOr<Content>) -> bool {
    let RefOr::T(Content { schema: Some(RefOr::Ref(schema)), .. }) = content else { return false };
    schema.ref_location.ends_with("/Problem")
}
