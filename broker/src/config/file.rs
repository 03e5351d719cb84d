//! The configuration file: TOML whose keys are the long options of the command line.
//!
//! Each key is turned into the words that the command line would have, and those are read as a command line is. So there is
//! one list of options, with one set of defaults and of checks; what is added to it can be written in a file at once.
//!
//! Keys at the top are the broker's, or defaults of all streams whose sources take them; a table `[[stream]]` has what is said of one
//! stream alone.
//! A file without such a table describes one stream.

use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{BrokerOptions, Config, ConfigError, StreamOptions};

/// The key of the streams' tables.
const STREAM: &str = "stream";

/// What a file says of one option.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Setting {
    /// The option, without dashes.
    key: String,
    /// As the command line would say it; nothing for a switch that is off.
    words: Vec<String>,
}

/// Reads a file. What the command line says of the broker takes the place of what the file says. Returns the lines where the
/// tables of the streams begin, too.
pub(super) fn read(path: &Path, line: &ArgMatches) -> Result<(Config, Vec<usize>), ConfigError> {
    let failed = |line, reason| ConfigError::File { path: PathBuf::from(path), line, reason };
    let streams = options::<StreamOptions>();
    if let Some(given) = streams.get_arguments().find(|option| is_given(line, option)) {
        let option = given.get_long().unwrap_or_default();
        return Err(failed(None, format!("--{option} is about a stream: beside --config, write {option} in the file")));
    }
    if line.get_flag("list") {
        return Err(failed(None, "--list takes a --source and no --config".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(None, format!("cannot read it: {error}")))?;
    let (config, tables) =
        parse(&text, line).map_err(|Fault { at, reason }| failed(at.map(|at| line_of(&text, at)), reason))?;
    Ok((config, tables.into_iter().map(|at| line_of(&text, at)).collect()))
}

fn is_given(line: &ArgMatches, option: &Arg) -> bool {
    line.value_source(option.get_id().as_str()) == Some(ValueSource::CommandLine)
}

/// What is wrong, and at which byte.
#[derive(Debug)]
struct Fault {
    at: Option<usize>,
    reason: String,
}

impl Fault {
    fn at(span: &Range<usize>, reason: impl Into<String>) -> Self {
        Self { at: Some(span.start), reason: reason.into() }
    }

    /// In the table of a stream, which is told by its name, or else by its place.
    fn of_stream(self, at: usize, table: &DeTable<'_>) -> Self {
        let name = table.get("name").and_then(|name| name.get_ref().as_str());
        let stream = name.map_or_else(|| format!("number {}", at + 1), str::to_owned);
        Self { reason: format!("stream {stream}: {}", self.reason), ..self }
    }
}

/// The configuration, and at which bytes the tables of its streams begin.
fn parse(text: &str, line: &ArgMatches) -> Result<(Config, Vec<usize>), Fault> {
    let file = DeTable::parse(text).map_err(|error| Fault {
        at: error.span().map(|span| span.start),
        reason: format!("this is not valid TOML: {}", error.message()),
    })?;
    let (broker, stream) = (options::<BrokerOptions>(), options::<StreamOptions>());
    let file = file.into_inner();
    let tables = tables(&file)?;
    let (mut of_broker, mut defaults) = (Vec::new(), Vec::new());
    for (key, value) in in_order(&file).filter(|(key, _)| key.get_ref() != STREAM) {
        match (find(&broker, key.get_ref()), find(&stream, key.get_ref())) {
            (Some(option), _) if is_given(line, option) => drop(setting(&broker, option, value)?),
            (Some(option), _) => of_broker.push(setting(&broker, option, value)?),
            (None, Some(option)) => defaults.push(setting(&stream, option, value)?),
            (None, None) => return Err(unknown(key, &[&broker, &stream])),
        }
    }
    let given: BrokerOptions = read_words(&broker, &of_broker)?;
    let streams = tables.iter().enumerate().map(|(at, table)| {
        read_stream(table.get_ref(), &defaults, &broker, &stream).map_err(|fault| fault.of_stream(at, table.get_ref()))
    });
    let mut streams: Vec<StreamOptions> = streams.collect::<Result<_, _>>()?;
    if streams.is_empty() {
        streams.push(read_words(&stream, &defaults)?);
    }
    let begin = tables.iter().map(|table| table.span().start).collect();
    Ok((Config { list: false, broker: overlaid(given, line)?, streams }, begin))
}

/// The options of the broker that the command line gives take the place of the file's.
fn overlaid(mut options: BrokerOptions, line: &ArgMatches) -> Result<BrokerOptions, Fault> {
    let mut only_given = line.clone();
    for option in self::options::<BrokerOptions>().get_arguments().filter(|option| !is_given(line, option)) {
        // Defaults of the command line are no word of the user's.
        let _default = only_given.try_clear_id(option.get_id().as_str());
    }
    options.update_from_arg_matches(&only_given).map_err(|error| Fault { at: None, reason: first_line(&error) })?;
    Ok(options)
}

/// The tables of the streams.
fn tables<'a, 'i>(file: &'a DeTable<'i>) -> Result<Vec<Spanned<&'a DeTable<'i>>>, Fault> {
    let Some(value) = file.get(STREAM) else { return Ok(Vec::new()) };
    let wrong = |span| Fault::at(&span, "begin each stream with a line [[stream]]");
    let DeValue::Array(tables) = value.get_ref() else { return Err(wrong(value.span())) };
    let table_of = |table: &'a Spanned<DeValue<'i>>| {
        let content = table.get_ref().as_table().ok_or_else(|| wrong(table.span()))?;
        Ok(Spanned::new(table.span(), content))
    };
    tables.iter().map(table_of).collect()
}

fn read_stream(
    table: &DeTable<'_>,
    defaults: &[Setting],
    broker: &Command,
    stream: &Command,
) -> Result<StreamOptions, Fault> {
    let mut settings = Vec::new();
    for (key, value) in in_order(table) {
        let Some(option) = find(stream, key.get_ref()) else {
            if find(broker, key.get_ref()).is_some() {
                let reason =
                    format!("{} is about the whole broker: write it above the first [[stream]]", key.get_ref());
                return Err(Fault::at(&key.span(), reason));
            }
            return Err(unknown(key, &[stream]));
        };
        settings.push(setting(stream, option, value)?);
    }
    let is_own = |setting: &Setting| settings.iter().any(|own| own.key == setting.key);
    let mut all: Vec<Setting> = defaults.iter().filter(|default| !is_own(default)).chain(&settings).cloned().collect();
    let kind = read_words::<StreamOptions>(stream, &all)?.source.kind();
    // A default of all streams does not concern one whose source cannot take it.
    all.retain(|setting| is_own(setting) || kind.takes_not(&setting.key).is_none());
    read_words(stream, &all)
}

/// The options that can be written in a file.
fn options<T: Args>() -> Command {
    T::augment_args(Command::new("broker").no_binary_name(true).disable_help_flag(true))
}

fn find<'a>(options: &'a Command, key: &str) -> Option<&'a Arg> {
    options.get_arguments().find(|option| option.get_long() == Some(key))
}

/// As they stand in the file.
fn in_order<'a, 'i>(
    table: &'a DeTable<'i>,
) -> impl Iterator<Item = (&'a Spanned<std::borrow::Cow<'i, str>>, &'a Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries.into_iter()
}

/// What a key and its value say; checked by itself, so that what is wrong has a line.
fn setting(options: &Command, option: &Arg, value: &Spanned<DeValue<'_>>) -> Result<Setting, Fault> {
    let key = option.get_long().unwrap_or_default().to_owned();
    let words = words(option, &key, value)?;
    let read = options.clone().try_get_matches_from(&words);
    read.map_err(|error| Fault::at(&value.span(), format!("{key}: {}", first_line(&error))))?;
    Ok(Setting { key, words })
}

fn words(option: &Arg, key: &str, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, Fault> {
    let is_switch = matches!(option.get_action(), ArgAction::SetTrue);
    let many = matches!(option.get_action(), ArgAction::Append);
    match value.get_ref() {
        DeValue::Boolean(on) if is_switch => Ok(on.then(|| format!("--{key}")).into_iter().collect()),
        _ if is_switch => Err(Fault::at(&value.span(), format!("{key} is true or false"))),
        DeValue::Array(values) if many => values.iter().map(|value| word(key, value)).collect(),
        DeValue::Array(_) => Err(Fault::at(&value.span(), format!("{key} takes one value, no list"))),
        _ => Ok(vec![word(key, value)?]),
    }
}

fn word(key: &str, value: &Spanned<DeValue<'_>>) -> Result<String, Fault> {
    let text = match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .map_err(|_too_large| Fault::at(&value.span(), format!("{key}: this number is too large")))?
            .to_string(),
        DeValue::Float(number) => number.as_str().to_owned(),
        other => {
            return Err(Fault::at(&value.span(), format!("{key} takes a text or a number, no {}", other.type_str())));
        }
    };
    Ok(format!("--{key}={text}"))
}

fn read_words<T: FromArgMatches>(options: &Command, settings: &[Setting]) -> Result<T, Fault> {
    let words = settings.iter().flat_map(|setting| &setting.words);
    let read = options.clone().try_get_matches_from(words).and_then(|matches| T::from_arg_matches(&matches));
    read.map_err(|error| Fault { at: None, reason: first_line(&error) })
}

/// Names the known key that looks most like an unknown one.
fn unknown(key: &Spanned<std::borrow::Cow<'_, str>>, options: &[&Command]) -> Fault {
    let name = key.get_ref();
    let asked = |options: &&Command| {
        let error = (*options).clone().try_get_matches_from([format!("--{name}=")]).err()?;
        match error.get(ContextKind::SuggestedArg)? {
            ContextValue::String(option) => Some(option.trim_start_matches('-').to_owned()),
            _ => None,
        }
    };
    let hint = match options.iter().find_map(asked) {
        Some(nearest) => format!("did you mean {nearest}?"),
        None => "`broker --help` shows every option; a key is an option without its dashes".to_owned(),
    };
    Fault::at(&key.span(), format!("there is no option {name}: {hint}"))
}

/// What clap says, without its advice on the command line.
fn first_line(error: &clap::Error) -> String {
    let said = error.to_string();
    let first = said.lines().next().unwrap_or_default();
    first.trim_start_matches("error: ").to_owned()
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
