//! `framectl stats`.

mod text;
mod view;

use framebroker_client::Broker;

use self::view::{ClientView, Report, StreamView};
use crate::console::{is_terminal, print, print_json};
use crate::failure::Failure;
use crate::options::StatsOptions;
use crate::receive::Stop;

/// Empties a terminal and goes to its first line.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Prints the statistics, once or until a signal comes.
pub fn run(broker: &Broker, options: &StatsOptions, json: bool) -> Result<(), Failure> {
    let Some(interval) = options.watch else { return show(&gather(broker, options)?, json) };
    let stop = Stop::on_signals()?;
    let is_in_place = !json && is_terminal();
    while !stop.is_set() {
        let report = gather(broker, options)?;
        if is_in_place {
            print(&format!("{CLEAR}{report}"))?;
        } else {
            show(&report, json)?;
        }
        stop.wait(interval);
    }
    Ok(())
}

fn show(report: &Report, json: bool) -> Result<(), Failure> {
    if json { print_json(report) } else { print(&report.to_string()) }
}

/// Asks for what is wanted, of one stream or of all. This command's own connection is left out.
fn gather(broker: &Broker, options: &StatsOptions) -> Result<Report, Failure> {
    let only = options.stream.as_deref();
    // Neither is as good as both.
    let all_tables = options.segments == options.clients;
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
        let segments = if options.segments || all_tables { Some(broker.segments(stats.id)?) } else { None };
        streams.push(StreamView::new(stats, segments.as_deref()));
    }
    if !options.clients && !all_tables {
        return Ok(Report { streams, clients: None });
    }
    let others = broker.clients()?.into_iter().filter(|client| client.id != broker.client_id());
    let clients = others.map(|client| ClientView::new(client, is_wanted));
    let clients = clients.filter(|client| only.is_none() || !client.subscriptions.is_empty()).collect();
    Ok(Report { streams, clients: Some(clients) })
}
