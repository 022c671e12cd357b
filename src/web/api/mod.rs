//! The JSON API: the use cases of `app` for programs, below `/api/v1`.
//!
//! It is another mouth of the same program: a handler reads typed values, calls `app` once and answers with a type
//! of its own. Who asks is decided by the gate, what they may by policy, and errors become answers in `web/problem.rs`.
//!
//! **The path of a request.** `door` counts it, holds it against the `document` (by way of `contract` and `check`),
//! answers again what was answered before (`repeated`), calls the handler and adds the version of what is answered.
//! `nouns` has the handlers, one file per noun with what it answers. On the ground are `reply`, `cursor`, `fields`, `shapes` and `words`.

mod check;
mod contract;
mod cursor;
mod document;
mod door;
mod fields;
mod nouns;
mod repeated;
mod reply;
mod shapes;
mod words;

use poem::{Endpoint, IntoEndpoint, Response};
use poem_openapi::OpenApiService;

use self::door::ApiDoor;

/// All operations, to be mounted at the root of the API.
pub fn endpoint() -> impl Endpoint<Output = Response> + 'static {
    ApiDoor::new(OpenApiService::new(nouns::all::all(), "Deployer", "1").into_endpoint())
}

/// The OpenAPI document, as `docs/openapi.json` has it.
pub fn document() -> String {
    document::text()
}

/// Method and address of every operation, for those who check that none is forgotten.
pub fn operations() -> Vec<(String, String)> {
    let all = contract::operations().iter();
    all.map(|one| (one.method.clone(), one.path.clone())).collect()
}
