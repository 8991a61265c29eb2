//! Routes with parameters, nested routers and layers.

use ringlane::layer::Next;
use ringlane::router::{Router, get};
use ringlane::{Error, Request, StatusCode};

fn users() -> Router {
    Router::new().get("/", async |_: Request| "all users\n").route(
        "/{id}",
        get(async |request: Request| {
            let id = request.param::<u64>("id")?;
            Ok::<_, ringlane::router::ParamError>(format!("user {id}\n"))
        })
        .delete(async |_: Request| StatusCode::NO_CONTENT)
        .invalid_param(StatusCode::NOT_FOUND),
    )
}

fn main() -> Result<(), Error> {
    ringlane_examples::server(|_| {})?.serve(|core| {
        Router::new()
            .get("/", async |_: Request| "Hello, World!\n")
            .nest("/users", users())
            .get("/files/{*path}", async |request: Request| {
                request.param::<String>("path")
            })
            .layer(async move |request: Request, next: &Next| {
                let response = next.run(request).await;
                response.header("X-Core", core.number().to_string())
            })
    })
}
