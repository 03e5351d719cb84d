//! Chunk lists: name and value of what a camera sends with an image (SFNC *chunk data*), as they lie behind the image in a
//! segment. PROTOCOL.md gives the bytes.

/// How a chunk list begins. Chunk data that begin otherwise are the camera's own, as it sent them.
pub const MAGIC: [u8; 8] = *b"FBCHUNK1";

/// Bytes before the first chunk: [`MAGIC`] and the number of chunks.
pub const HEAD_BYTES: usize = 12;

/// Bytes of a chunk before its name: type, length of the name, length of the value.
const CHUNK_HEAD_BYTES: usize = 4;

/// A value sent with an image.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// Type 0.
    Integer(i64),
    /// Type 1.
    Float(f64),
    /// Type 2.
    Boolean(bool),
    /// Type 3: a text, or the name of an enumeration's entry.
    Text(&'a str),
    /// Type 4, and any that a later version may add.
    Bytes(&'a [u8]),
}

/// Name and value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chunk<'a> {
    /// The feature's name, as `ChunkTimestamp`.
    pub name: &'a str,
    /// Its value.
    pub value: Value<'a>,
}

/// A chunk does not fit into the room there is, or its name is longer than 255 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the chunk does not fit")]
pub struct NoRoom;

/// Writes a chunk list.
#[derive(Debug)]
pub struct ChunkWriter<'a> {
    room: &'a mut [u8],
    used: usize,
    count: u32,
}

impl<'a> ChunkWriter<'a> {
    /// An empty list; `None` where not even that fits.
    #[must_use]
    pub fn new(room: &'a mut [u8]) -> Option<Self> {
        room.get_mut(..MAGIC.len())?.copy_from_slice(&MAGIC);
        room.get_mut(MAGIC.len()..HEAD_BYTES)?.fill(0);
        Some(Self { room, used: HEAD_BYTES, count: 0 })
    }

    /// Adds a chunk.
    ///
    /// # Errors
    /// [`NoRoom`]; the list is as it was.
    pub fn push(&mut self, name: &str, value: Value<'_>) -> Result<(), NoRoom> {
        match value {
            Value::Integer(value) => self.push_bytes(0, name, &value.to_le_bytes()),
            Value::Float(value) => self.push_bytes(1, name, &value.to_le_bytes()),
            Value::Boolean(value) => self.push_bytes(2, name, &[u8::from(value)]),
            Value::Text(value) => self.push_bytes(3, name, value.as_bytes()),
            Value::Bytes(value) => self.push_bytes(4, name, value),
        }
    }

    fn push_bytes(&mut self, kind: u8, name: &str, value: &[u8]) -> Result<(), NoRoom> {
        let name_bytes = u8::try_from(name.len()).map_err(|_too_long| NoRoom)?;
        let [low, high] = u16::try_from(value.len()).map_err(|_too_long| NoRoom)?.to_le_bytes();
        let end = self.used + CHUNK_HEAD_BYTES + name.len() + value.len();
        let place = self.room.get_mut(self.used..end).ok_or(NoRoom)?;
        let parts: [&[u8]; 3] = [&[kind, name_bytes, low, high], name.as_bytes(), value];
        let bytes = parts.iter().flat_map(|part| part.iter());
        place.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
        (self.used, self.count) = (end, self.count + 1);
        Ok(())
    }

    /// Writes down how many there are; returns the list's length in bytes.
    #[must_use]
    pub fn finish(self) -> usize {
        if let Some(place) = self.room.get_mut(MAGIC.len()..HEAD_BYTES) {
            place.copy_from_slice(&self.count.to_le_bytes());
        }
        self.used
    }
}

/// A chunk list that was checked: iterates over its chunks.
#[derive(Debug, Clone)]
pub struct Chunks<'a> {
    rest: &'a [u8],
    left: u32,
}

impl<'a> Chunks<'a> {
    /// Reads chunk data; `None` where they are no chunk list, or a broken one.
    #[must_use]
    pub fn parse(data: &'a [u8]) -> Option<Self> {
        let (magic, rest) = data.split_first_chunk::<8>()?;
        let (count, rest) = rest.split_first_chunk::<4>()?;
        let chunks = Self { rest, left: u32::from_le_bytes(*count) };
        let mut check = chunks.clone();
        let is_whole = (0..chunks.left).all(|_| check.take_chunk().is_some());
        (*magic == MAGIC && is_whole && check.rest.is_empty()).then_some(chunks)
    }

    /// The value of a name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<Value<'a>> {
        self.clone().find(|chunk| chunk.name == name).map(|chunk| chunk.value)
    }

    fn take_chunk(&mut self) -> Option<Chunk<'a>> {
        let ([kind, name_bytes, low, high], rest) = self.rest.split_first_chunk::<CHUNK_HEAD_BYTES>()?;
        let (name, rest) = rest.split_at_checked(usize::from(*name_bytes))?;
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([*low, *high])))?;
        self.rest = rest;
        let value = match kind {
            0 => Value::Integer(i64::from_le_bytes(value.try_into().ok()?)),
            1 => Value::Float(f64::from_le_bytes(value.try_into().ok()?)),
            2 => Value::Boolean(match value {
                [0] => false,
                [1] => true,
                _ => return None,
            }),
            3 => Value::Text(std::str::from_utf8(value).ok()?),
            _ => Value::Bytes(value),
        };
        Some(Chunk { name: std::str::from_utf8(name).ok()?, value })
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        self.left = self.left.checked_sub(1)?;
        self.take_chunk()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(&str, Value<'_>); 5] = [
        ("ChunkTimestamp", Value::Integer(-2)),
        ("ChunkExposureTime", Value::Float(0.5)),
        ("ChunkSyncLocked", Value::Boolean(true)),
        ("ChunkPixelFormat", Value::Text("Mono8")),
        ("ChunkBlob", Value::Bytes(&[1, 2, 3])),
    ];

    fn list(room: &mut [u8]) -> usize {
        let mut writer = ChunkWriter::new(room).unwrap();
        ALL.iter().for_each(|(name, value)| writer.push(name, *value).unwrap());
        writer.finish()
    }

    #[test]
    fn a_list_reads_as_it_was_written() {
        let mut room = [0xff; 256];
        let used = list(&mut room);
        let chunks = Chunks::parse(&room[..used]).unwrap();
        assert!(chunks.clone().map(|chunk| (chunk.name, chunk.value)).eq(ALL));
        assert_eq!(chunks.value("ChunkPixelFormat"), Some(Value::Text("Mono8")));
        assert_eq!(chunks.value("ChunkGain"), None);
    }

    #[test]
    fn a_list_that_was_cut_or_changed_is_refused() {
        let mut room = [0; 256];
        let used = list(&mut room);
        for len in 0..used {
            assert!(Chunks::parse(&room[..len]).is_none(), "cut to {len}");
        }
        assert!(Chunks::parse(&room[..=used]).is_none(), "one byte too many");
        let mut changed = room;
        changed[0] ^= 1;
        assert!(Chunks::parse(&changed[..used]).is_none());
    }

    #[test]
    fn what_does_not_fit_leaves_the_list_as_it_was() {
        assert!(ChunkWriter::new(&mut [0; 11]).is_none());
        let mut room = [0; HEAD_BYTES + 6];
        let mut writer = ChunkWriter::new(&mut room).unwrap();
        assert_eq!(writer.push("a", Value::Text("bc")), Err(NoRoom));
        assert_eq!(writer.push("a", Value::Boolean(true)), Ok(()));
        let used = writer.finish();
        assert_eq!(used, HEAD_BYTES + 6);
        assert_eq!(Chunks::parse(&room[..used]).unwrap().count(), 1);
    }
}
