//! `framectl stats`.

mod text;
mod view;

use framebroker_client::Broker;

use self::view::{ClientView, Report, StreamView};
use crate::console::{print, print_json};
use crate::failure::Failure;
use crate::options::StatsOptions;

/// Prints the statistics.
pub fn run(broker: &Broker, options: &StatsOptions, json: bool) -> Result<(), Failure> {
    let report = gather(broker, options.stream.as_deref())?;
    if json { print_json(&report) } else { print(&report.to_string()) }
}

/// Asks for everything, of one stream or of all. This command's own connection is left out.
fn gather(broker: &Broker, only: Option<&str>) -> Result<Report, Failure> {
    let is_wanted = |name: &str| only.is_none_or(|only| only == name);
    let all = broker.stats()?;
    if let Some(name) = only
        && !all.iter().any(|stream| stream.name.as_str() == name)
    {
        let known = all.iter().map(|stream| stream.name.to_string()).collect();
        return Err(Failure::UnknownStream { name: name.to_owned(), known });
    }
    let mut streams = Vec::new();
    for stats in all.iter().filter(|stream| is_wanted(stream.name.as_str())) {
        streams.push(StreamView::new(stats, &broker.segments(stats.id)?));
    }
    let others = broker.clients()?.into_iter().filter(|client| client.id != broker.client_id());
    let clients = others.map(|client| ClientView::new(client, is_wanted));
    let clients = clients.filter(|client| only.is_none() || !client.subscriptions.is_empty()).collect();
    Ok(Report { streams, clients })
}
