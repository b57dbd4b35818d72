//! From the parser's events to a tree.

use std::collections::HashMap;

use eventhive_transport::settings::{Entry, Node, Position, Problem, Value};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::{MAX_DEPTH, MAX_NODES, hint, scalar};

/// The tree cannot be completed; the problem is noted already.
struct Stop;

/// A node with what an alias of it costs.
#[derive(Clone)]
struct Built {
    node: Node,
    /// How many nodes it has, itself included.
    size: usize,
    /// How deep it is, 1 for a scalar.
    depth: usize,
}

/// A mapping being read: own entries, and those that `<<` brought.
#[derive(Default)]
struct Mapping {
    own: Vec<Entry>,
    merged: Vec<Entry>,
    merge_at: Option<Position>,
    size: usize,
    depth: usize,
}

pub(super) struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    text: &'a str,
    document: u32,
    problems: Vec<Problem>,
    /// Finished anchors by the parser's number.
    anchors: HashMap<usize, Built>,
    nodes: usize,
    path: Vec<String>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(document: u32, text: &'a str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self {
            parser: Parser::new_from_str(text),
            text,
            document,
            problems: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            path: Vec::new(),
        }
    }

    pub(super) fn document(mut self) -> Result<Option<Node>, Vec<Problem>> {
        let tree = self.stream().unwrap_or_default();
        if self.problems.is_empty() { Ok(tree.filter(|node| node.value != Value::Null)) } else { Err(self.problems) }
    }

    fn stream(&mut self) -> Result<Option<Node>, Stop> {
        let mut tree = None;
        let mut started = false;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(tree),
                Event::DocumentStart(_) if started => {
                    return Err(self.stop(span, "a second document: write one document a file, without another `---`"));
                }
                Event::DocumentStart(_) => started = true,
                Event::Nothing | Event::StreamStart | Event::DocumentEnd => {}
                event => tree = Some(self.node(event, span, 1)?.node),
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Built, Stop> {
        if depth > MAX_DEPTH {
            return Err(self.stop(span, format!("nested deeper than {MAX_DEPTH} levels: flatten it")));
        }
        self.count(span, 1)?;
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.scalar(&text, style, tag.as_deref(), span);
                let built = Built { node: Node { value, at: self.at(span) }, size: 1, depth: 1 };
                Ok(self.anchor(anchor, built))
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq", span);
                let built = self.list(span, depth)?;
                Ok(self.anchor(anchor, built))
            }
            Event::MappingStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "map", span);
                let built = self.mapping(span, depth)?;
                Ok(self.anchor(anchor, built))
            }
            Event::Alias(anchor) => self.alias(anchor, span, depth),
            _ => Err(self.stop(span, "a value was expected here")),
        }
    }

    fn list(&mut self, span: Span, depth: usize) -> Result<Built, Stop> {
        let mut items = Vec::new();
        let (mut size, mut deepest) = (1, 0);
        loop {
            let (event, item_span) = self.next()?;
            if event == Event::SequenceEnd {
                let node = Node { value: Value::List(items), at: self.at(span) };
                return Ok(Built { node, size, depth: deepest + 1 });
            }
            self.path.push(items.len().to_string());
            let item = self.node(event, item_span, depth + 1)?;
            self.path.pop();
            size += item.size;
            deepest = deepest.max(item.depth);
            items.push(item.node);
        }
    }

    fn mapping(&mut self, span: Span, depth: usize) -> Result<Built, Stop> {
        let mut mapping = Mapping { size: 1, ..Mapping::default() };
        loop {
            let (event, key_span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = if is_merge { "<<".to_owned() } else { self.key(event, key_span, depth)? };
            self.path.push(key.clone());
            let (event, value_span) = self.next()?;
            let value = self.node(event, value_span, depth + 1)?;
            mapping.size += value.size;
            mapping.depth = mapping.depth.max(value.depth);
            if is_merge {
                self.merge(&mut mapping, value.node, key_span);
            } else {
                self.insert(&mut mapping.own, key, key_span, value.node);
            }
            self.path.pop();
        }
        let value = Value::Map(combine(mapping.merged, mapping.own));
        Ok(Built { node: Node { value, at: self.at(span) }, size: mapping.size, depth: mapping.depth + 1 })
    }

    /// A key as text. One that is no text is noted, and stands as an empty key for the rest of the reading.
    fn key(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<String, Stop> {
        let fix = match self.node(event, span, depth + 1)?.node.value {
            Value::Text(key) => return Ok(key),
            Value::List(_) | Value::Map(_) => "a key must be text, not a list or mapping",
            Value::Null => "a key is missing before the colon",
            _ => "a key must be text: put it in quotes",
        };
        self.note(span, fix);
        Ok(String::new())
    }

    fn insert(&mut self, entries: &mut Vec<Entry>, key: String, span: Span, node: Node) {
        let key_at = self.at(span);
        match entries.iter().find(|entry| entry.key == key) {
            // An empty key may be one of those that were noted already.
            Some(first) if !key.is_empty() => {
                let first = first.key_at;
                let message = format!(
                    "the key stands twice, first in line {}, column {}: keep one of the two",
                    first.line, first.column
                );
                self.note(span, message);
            }
            _ => entries.push(Entry { key, key_at, node }),
        }
    }

    /// Notes what `<<` brings: a mapping, or a list of mappings of which the first that has a key wins.
    fn merge(&mut self, mapping: &mut Mapping, node: Node, span: Span) {
        if let Some(first) = mapping.merge_at.replace(self.at(span)) {
            let message = format!("`<<` stands twice, first in line {}: give one list, `<<: [*a, *b]`", first.line);
            self.note(span, message);
        }
        let parts = match node.value {
            Value::List(items) => items,
            _ => vec![node],
        };
        for part in parts.into_iter().rev() {
            match part.value {
                Value::Map(entries) => mapping.merged = combine(std::mem::take(&mut mapping.merged), entries),
                _ => self.note(span, "`<<` takes a mapping or a list of mappings, such as `<<: *base`"),
            }
        }
    }

    fn alias(&mut self, anchor: usize, span: Span, depth: usize) -> Result<Built, Stop> {
        let Some(built) = self.anchors.get(&anchor) else {
            return Err(self.stop(span, "the alias stands inside of its own anchor: a value cannot contain itself"));
        };
        let (size, deep) = (built.size, built.depth);
        if depth + deep > MAX_DEPTH {
            return Err(self.stop(span, format!("nested deeper than {MAX_DEPTH} levels by this alias: flatten it")));
        }
        self.count(span, size)?;
        self.anchors.get(&anchor).cloned().ok_or(Stop)
    }

    fn anchor(&mut self, anchor: usize, built: Built) -> Built {
        // The parser counts anchors from 1; 0 is none.
        if anchor != 0 {
            self.anchors.insert(anchor, built.clone());
        }
        built
    }

    fn count(&mut self, span: Span, more: usize) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes > MAX_NODES {
            return Err(self.stop(span, format!("more than {MAX_NODES} values, aliases counted: make it smaller")));
        }
        Ok(())
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Value {
        let read = match tag {
            None if style == ScalarStyle::Plain => scalar::plain(text),
            None => Ok(Value::Text(text.to_owned())),
            Some(tag) => tagged(text, tag),
        };
        read.unwrap_or_else(|message| {
            self.note(span, message);
            Value::Null
        })
    }

    fn check_tag(&mut self, tag: Option<&Tag>, wanted: &str, span: Span) {
        if let Some(tag) = tag.filter(|tag| !(tag.is_yaml_core_schema() && tag.suffix == wanted)) {
            self.note(span, refused(tag));
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Stop> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Err(Stop),
        }
    }

    fn syntax(&mut self, error: &ScanError) -> Stop {
        let (line, column) = self.inside(error.marker().line(), error.marker().col() + 1);
        let fix = hint::fix(self.text, line, column);
        let at = Span::empty(Marker::new(error.marker().index(), line, column - 1));
        self.stop(at, format!("this is not YAML ({}): {fix}", error.info()))
    }

    /// The place itself, or the end of the last line if the parser gave up behind it.
    fn inside(&self, line: usize, column: usize) -> (usize, usize) {
        let lines = self.text.lines().count().max(1);
        if line <= lines {
            return (line, column);
        }
        (lines, self.text.lines().last().map_or(1, |line| line.chars().count() + 1))
    }

    fn stop(&mut self, span: Span, message: impl Into<String>) -> Stop {
        self.note(span, message);
        Stop
    }

    fn note(&mut self, span: Span, message: impl Into<String>) {
        let problem = Problem { at: self.at(span), path: self.path.join("."), message: message.into() };
        self.problems.push(problem);
    }

    fn at(&self, span: Span) -> Position {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Position {
            document: self.document,
            line: number(span.start.line()),
            column: number(span.start.col()).saturating_add(1),
        }
    }
}

/// What `base` has, with `newer` over it: a key keeps its first place and gets its last value, as in a Python `dict`.
fn combine(mut base: Vec<Entry>, newer: Vec<Entry>) -> Vec<Entry> {
    for entry in newer {
        match base.iter_mut().find(|old| old.key == entry.key) {
            Some(old) => *old = entry,
            None => base.push(entry),
        }
    }
    base
}

/// A scalar with a tag of the core: its form must fit the tag, quotes or not.
fn tagged(text: &str, tag: &Tag) -> Result<Value, String> {
    if !tag.is_yaml_core_schema() {
        return Err(refused(tag));
    }
    let misfit = || format!("`!!{}` does not fit this value: remove the tag", tag.suffix);
    match tag.suffix.as_str() {
        "str" => Ok(Value::Text(text.to_owned())),
        "null" => Ok(Value::Null),
        "bool" => scalar::boolean(&text.to_ascii_lowercase()).map(Value::Bool).ok_or_else(misfit),
        "int" => scalar::integer(text).unwrap_or_else(|| Err(misfit())).map(Value::Integer),
        "float" => match (scalar::float(text), scalar::integer(text)) {
            (Some(number), _) => Ok(Value::Float(number)),
            #[expect(clippy::cast_precision_loss, reason = "the tag asks for a floating-point number")]
            (None, Some(Ok(number))) => Ok(Value::Float(number as f64)),
            (None, _) => Err(misfit()),
        },
        _ => Err(refused(tag)),
    }
}

fn refused(tag: &Tag) -> String {
    format!("the tag `{tag}` has no meaning here: remove it")
}
