//! The example of routes, called as its users would call it.

mod support;

use support::client::Client;
use support::process::Server;

#[test]
fn routes_layers_and_refusals_are_answered() {
    let server = Server::start("routes", &[]);
    let mut client = Client::connect(server.address).unwrap();
    for (target, status, body) in [
        ("/", 200, "Hello, World!\n"),
        ("/users", 200, "all users\n"),
        ("/users/7", 200, "user 7\n"),
        ("/users/seven", 404, "the path's \"id\" is no u64: \"seven\""),
        ("/files/a/b%2Fc", 200, "a/b/c"),
        ("/nowhere", 404, "not found\n"),
    ] {
        let answer = client.get(target).unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (status, body), "{target}");
        assert!(
            answer.field("x-core").is_some(),
            "{target} has not been through the layer"
        );
    }
    client.ask("DELETE", "/users/7").unwrap();
    assert_eq!(client.read_response().unwrap().status, 204);
    client.ask("PUT", "/users/7").unwrap();
    let refused = client.read_response().unwrap();
    assert_eq!(
        (refused.status, refused.field("allow")),
        (405, Some("GET, HEAD, DELETE, OPTIONS"))
    );
}
