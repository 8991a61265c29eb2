//! Responses that are made while they are sent: a clock for any number of browsers, and a long table.

use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use glommio::timer::Timer;
use ringlane::router::Router;
use ringlane::sse::{self, Channel, Event, Overflow};
use ringlane::{Error, Reject, Request, Response};
use serde::Deserialize;

const TICK: Duration = Duration::from_millis(200);
/// How many ticks a browser may be behind before it loses the oldest.
const BEHIND_MAX: usize = 16;

const PAGE: &str = r#"<!doctype html>
<meta charset="utf-8">
<title>Clock</title>
<p>The server's clock: <output id="clock">...</output>
<script>
  let ticks = 0;
  new EventSource("/clock").addEventListener("tick", (event) => {
    document.getElementById("clock").textContent = `${event.data} (${event.lastEventId})`;
    document.title = `Clock: ${++ticks} ticks`;
  });
</script>
"#;

#[derive(Deserialize)]
struct Table {
    rows: u64,
}

/// Rows, as fast as the client reads them.
async fn table(request: Request) -> Result<Response, Reject> {
    let Table { rows } = request.query_as()?;
    Ok(Response::produce("text/csv", async move |mut sender| {
        sender.send("number,square\n").await?;
        for row in 0..rows {
            sender.send(format!("{row},{}\n", u128::from(row).pow(2))).await?;
        }
        Ok(())
    }))
}

/// Tells the time to all who listen on this core; there is one clock per core, and none of them knows of the others.
async fn tick(clock: Rc<Channel>) {
    for number in 1_u64.. {
        Timer::new(TICK).await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let event = Event::data(format!("{}.{:03}", now.as_secs(), now.subsec_millis()));
        match event.event("tick").and_then(|event| event.id(number.to_string())) {
            Ok(event) => clock.send(&event.retry(Duration::from_secs(1))),
            Err(error) => return eprintln!("the clock stands: {error}"),
        };
    }
}

fn main() -> Result<(), Error> {
    ringlane_examples::server(|_| {})?.serve(|_core| {
        let clock = Rc::new(Channel::new(BEHIND_MAX, Overflow::DropOldest));
        glommio::spawn_local(tick(Rc::clone(&clock))).detach();
        Router::new()
            .get("/", async |_: Request| {
                Response::bytes("text/html; charset=utf-8", PAGE)
            })
            .get("/clock", async move |_: Request| sse::stream(clock.subscribe()))
            .get("/table", table)
    })
}
