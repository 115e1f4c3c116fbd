//! What a push says, as Cortex understands it.

use std::fmt;

use super::lax::{Malformed, Reader};

/// Which remote write protocol a push speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `prometheus.WriteRequest`.
    V1,
    /// `io.prometheus.write.v2.Request`.
    V2,
}

/// A decoded push.
#[derive(Debug, Clone, PartialEq)]
pub struct Push {
    /// The protocol it was decoded by.
    pub version: Version,
    /// Its series, in order.
    pub series: Vec<Series>,
    /// Its metadata, of version 2 the metadata of every series that has any.
    pub metadata: Vec<Metadata>,
    /// The symbol table of version 2.
    pub symbols: Vec<Vec<u8>>,
    /// Numbers of top-level fields that the protocol does not define, among them Cortex's private ones.
    pub foreign_fields: Vec<i32>,
    /// The message before compression.
    pub message: Vec<u8>,
}

/// One series of a push.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its labels, in the order sent.
    pub labels: Vec<Label>,
    /// Its samples, in the order sent.
    pub samples: Vec<Sample>,
    /// How many exemplars it has.
    pub exemplars: usize,
    /// How many native histograms it has.
    pub histograms: usize,
    /// The `TimeSeries` message, byte for byte.
    pub raw: Vec<u8>,
}

/// A label. Neither part need be UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Label {
    /// Its name.
    pub name: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

/// A sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sample {
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// The value's bits, by which one stale marker is told from another NaN.
    pub bits: u64,
}

/// Metadata of a metric family.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// The family's name; of version 2 the series' metric name.
    pub family: String,
    /// Its type, by number.
    pub kind: u64,
    /// Its help text.
    pub help: String,
    /// Its unit.
    pub unit: String,
}

impl Sample {
    /// The value.
    pub fn value(self) -> f64 {
        f64::from_bits(self.bits)
    }
}

impl Label {
    /// The label `name="value"`.
    pub fn new(name: &str, value: &str) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={:?}", text(&self.name), text(&self.value))
    }
}

impl Series {
    /// The value of the first label of this name, if it is UTF-8.
    pub fn label(&self, name: &str) -> Option<&str> {
        let label = self.labels.iter().find(|label| label.name == name.as_bytes())?;
        std::str::from_utf8(&label.value).ok()
    }

    /// The metric's name.
    pub fn metric(&self) -> &str {
        self.label("__name__").unwrap_or_default()
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&set_text(&self.labels))
    }
}

/// Bytes as text, for people.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A label set as `{name="value", …}`, in the order given.
pub(super) fn set_text(labels: &[Label]) -> String {
    let labels: Vec<_> = labels.iter().map(ToString::to_string).collect();
    format!("{{{}}}", labels.join(", "))
}

impl Push {
    /// Decodes a message that is no longer compressed.
    pub fn decode(version: Version, message: &[u8]) -> Result<Self, Malformed> {
        let mut push = Self {
            version,
            series: Vec::new(),
            metadata: Vec::new(),
            symbols: Vec::new(),
            foreign_fields: Vec::new(),
            message: message.to_vec(),
        };
        match version {
            Version::V1 => push.decode_v1(message)?,
            Version::V2 => push.decode_v2(message)?,
        }
        Ok(push)
    }

    fn decode_v1(&mut self, message: &[u8]) -> Result<(), Malformed> {
        let mut reader = Reader::new(message);
        while let Some(field) = reader.field()? {
            match field.number {
                1 => self.series.push(series_v1(reader.bytes(field)?)?),
                3 => self.metadata.push(metadata_v1(reader.bytes(field)?)?),
                number => {
                    self.foreign_fields.push(number);
                    match number {
                        2 | 1000 | 1002 => drop(reader.number(field)?),
                        1001 => drop(reader.bytes(field)?),
                        _ => reader.skip(field)?,
                    }
                }
            }
        }
        Ok(())
    }

    fn decode_v2(&mut self, message: &[u8]) -> Result<(), Malformed> {
        let mut reader = Reader::new(message);
        let mut series = Vec::new();
        while let Some(field) = reader.field()? {
            match field.number {
                4 => self.symbols.push(reader.bytes(field)?.to_vec()),
                5 => series.push(reader.bytes(field)?),
                number => {
                    self.foreign_fields.push(number);
                    match number {
                        6 | 1000 => drop(reader.number(field)?),
                        1001 => drop(reader.bytes(field)?),
                        _ => reader.skip(field)?,
                    }
                }
            }
        }
        // Symbols may stand after the series that refer to them.
        for raw in series {
            let (series, metadata) = series_v2(raw, &self.symbols)?;
            self.metadata
                .extend(metadata.map(|metadata| Metadata { family: series.metric().to_owned(), ..metadata }));
            self.series.push(series);
        }
        Ok(())
    }
}

fn series_v1(raw: &[u8]) -> Result<Series, Malformed> {
    let mut series =
        Series { labels: Vec::new(), samples: Vec::new(), exemplars: 0, histograms: 0, raw: raw.to_vec() };
    let mut reader = Reader::new(raw);
    while let Some(field) = reader.field()? {
        match field.number {
            1 => series.labels.push(label(reader.bytes(field)?)?),
            2 => series.samples.push(sample(reader.bytes(field)?)?),
            3 => {
                reader.bytes(field)?;
                series.exemplars += 1;
            }
            4 => {
                reader.bytes(field)?;
                series.histograms += 1;
            }
            _ => reader.skip(field)?,
        }
    }
    Ok(series)
}

fn series_v2(raw: &[u8], symbols: &[Vec<u8>]) -> Result<(Series, Option<Metadata>), Malformed> {
    let mut series =
        Series { labels: Vec::new(), samples: Vec::new(), exemplars: 0, histograms: 0, raw: raw.to_vec() };
    let (mut references, mut metadata) = (Vec::new(), None);
    let mut reader = Reader::new(raw);
    while let Some(field) = reader.field()? {
        match field.number {
            1 => references.extend(reader.references(field)?),
            2 => series.samples.push(sample(reader.bytes(field)?)?),
            3 => {
                reader.bytes(field)?;
                series.histograms += 1;
            }
            4 => {
                exemplar_v2(reader.bytes(field)?, symbols)?;
                series.exemplars += 1;
            }
            5 => metadata = metadata_v2(reader.bytes(field)?, symbols)?,
            6 => drop(reader.number(field)?),
            _ => reader.skip(field)?,
        }
    }
    for pair in references.chunks(2) {
        let [name, value] = pair else { return Err(Malformed::Reference) };
        series
            .labels
            .push(Label { name: symbol(symbols, *name)?.clone(), value: symbol(symbols, *value)?.clone() });
    }
    // Without metadata its unit is the first symbol, which must be there.
    symbol(symbols, 0)?;
    Ok((series, metadata))
}

fn exemplar_v2(raw: &[u8], symbols: &[Vec<u8>]) -> Result<(), Malformed> {
    let mut references = Vec::new();
    let mut reader = Reader::new(raw);
    while let Some(field) = reader.field()? {
        match field.number {
            1 => references.extend(reader.references(field)?),
            2 => drop(reader.fixed64(field)?),
            3 => drop(reader.number(field)?),
            _ => reader.skip(field)?,
        }
    }
    if references.len() % 2 != 0 {
        return Err(Malformed::Reference);
    }
    references.iter().try_for_each(|reference| symbol(symbols, *reference).map(drop))
}

fn symbol(symbols: &[Vec<u8>], reference: u32) -> Result<&Vec<u8>, Malformed> {
    symbols.get(reference as usize).ok_or(Malformed::Reference)
}

fn label(raw: &[u8]) -> Result<Label, Malformed> {
    let mut label = Label::default();
    let mut reader = Reader::new(raw);
    while let Some(field) = reader.field()? {
        match field.number {
            1 => label.name = reader.bytes(field)?.to_vec(),
            2 => label.value = reader.bytes(field)?.to_vec(),
            _ => reader.skip(field)?,
        }
    }
    Ok(label)
}

fn sample(raw: &[u8]) -> Result<Sample, Malformed> {
    let mut sample = Sample::default();
    let mut reader = Reader::new(raw);
    while let Some(field) = reader.field()? {
        match field.number {
            1 => sample.bits = reader.fixed64(field)?,
            2 => sample.timestamp = reader.number(field)?.cast_signed(),
            3 => drop(reader.number(field)?),
            _ => reader.skip(field)?,
        }
    }
    Ok(sample)
}

fn metadata_v1(raw: &[u8]) -> Result<Metadata, Malformed> {
    let mut metadata = Metadata::default();
    let mut reader = Reader::new(raw);
    while let Some(field) = reader.field()? {
        match field.number {
            1 => metadata.kind = reader.number(field)?,
            2 => metadata.family = text(reader.bytes(field)?),
            4 => metadata.help = text(reader.bytes(field)?),
            5 => metadata.unit = text(reader.bytes(field)?),
            _ => reader.skip(field)?,
        }
    }
    Ok(metadata)
}

fn metadata_v2(raw: &[u8], symbols: &[Vec<u8>]) -> Result<Option<Metadata>, Malformed> {
    let (mut kind, mut help, mut unit) = (0, 0, 0);
    let mut reader = Reader::new(raw);
    while let Some(field) = reader.field()? {
        match field.number {
            1 => kind = reader.number(field)?,
            3 => help = reader.reference(field)?,
            4 => unit = reader.reference(field)?,
            _ => reader.skip(field)?,
        }
    }
    if (kind, help, unit) == (0, 0, 0) {
        return Ok(None);
    }
    let (help, unit) = (text(symbol(symbols, help)?), text(symbol(symbols, unit)?));
    Ok(Some(Metadata { family: String::new(), kind, help, unit }))
}
