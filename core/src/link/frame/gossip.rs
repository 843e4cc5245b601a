//! What neighbours tell each other of mailboxes, on the wire.

use super::kind;
use crate::codec::{DecodeError, Reader, Writer};
use crate::routing::{Gossip, MAX_MEETINGS, MAX_OF, MAX_OWN_TAGS, MAX_TAGS, Tag, Vector};

impl Gossip {
    /// Cut so that each part fits a frame of so many bytes; vectors, which are short, stay whole
    /// where they fit, and are left out where they do not.
    pub(crate) fn split(self, max_payload_bytes: usize) -> Vec<Self> {
        let room = max_payload_bytes.saturating_sub(KIND_AND_COUNT_BYTES);
        let cut = |values: Vec<(Tag, u16)>| -> Vec<Vec<(Tag, u16)>> {
            values.chunks((room / VALUE_BYTES).max(1)).map(<[_]>::to_vec).collect()
        };
        match self {
            Self::Own(tags) => tags
                .chunks((room / TAG_BYTES).max(1))
                .map(|tags| Self::Own(tags.to_vec()))
                .collect(),
            Self::Met(values) => cut(values).into_iter().map(Self::Met).collect(),
            Self::Predictabilities(values) => {
                cut(values).into_iter().map(Self::Predictabilities).collect()
            }
            Self::Meetings(vector) => {
                let bytes = vector.of.len() * TAG_BYTES + vector.meetings.len() * VALUE_BYTES;
                let fits = bytes + TIME_AND_COUNT_BYTES <= room;
                fits.then_some(Self::Meetings(vector)).into_iter().collect()
            }
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Own(tags) => {
                out.put_u8(kind::OWN_TAGS);
                put_tags(out, tags);
            }
            Self::Met(values) => {
                out.put_u8(kind::MET);
                put_values(out, values);
            }
            Self::Predictabilities(values) => {
                out.put_u8(kind::PREDICTABILITIES);
                put_values(out, values);
            }
            Self::Meetings(vector) => {
                out.put_u8(kind::MEETINGS);
                put_tags(out, &vector.of);
                out.put_u32(vector.as_of_s);
                put_values(out, &vector.meetings);
            }
        }
    }

    /// After the kind byte.
    pub(super) fn decode(kind: u8, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match kind {
            kind::OWN_TAGS => Self::Own(tags(reader, MAX_OWN_TAGS)?),
            kind::MET => Self::Met(values(reader, MAX_TAGS)?),
            kind::PREDICTABILITIES => Self::Predictabilities(values(reader, MAX_TAGS)?),
            _ => Self::Meetings(Vector {
                of: tags(reader, MAX_OF)?,
                as_of_s: reader.u32("time of a vector")?,
                meetings: values(reader, MAX_MEETINGS)?,
            }),
        })
    }
}

const TAG_BYTES: usize = 4;
const VALUE_BYTES: usize = TAG_BYTES + 2;
const KIND_AND_COUNT_BYTES: usize = 1 + 2;
const TIME_AND_COUNT_BYTES: usize = 4 + 2;

fn put_tags(out: &mut Vec<u8>, tags: &[Tag]) {
    out.put_varint(tags.len() as u64);
    for tag in tags {
        out.put_u32(tag.0);
    }
}

fn put_values(out: &mut Vec<u8>, values: &[(Tag, u16)]) {
    out.put_varint(values.len() as u64);
    for (tag, value) in values {
        out.put_u32(tag.0);
        out.put(&value.to_be_bytes());
    }
}

fn tags(reader: &mut Reader<'_>, max: usize) -> Result<Vec<Tag>, DecodeError> {
    let count = reader.bounded(max, "tags")?;
    (0..count).map(|_| Ok(Tag(reader.u32("tag")?))).collect()
}

fn values(reader: &mut Reader<'_>, max: usize) -> Result<Vec<(Tag, u16)>, DecodeError> {
    let count = reader.bounded(max, "values")?;
    let value = |reader: &mut Reader<'_>| {
        let tag = Tag(reader.u32("tag")?);
        Ok((tag, u16::from_be_bytes(reader.array("value of a tag")?)))
    };
    (0..count).map(|_| value(reader)).collect()
}
