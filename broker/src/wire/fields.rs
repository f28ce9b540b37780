//! The fields inside a packet: integers, texts, and MQTT 5's property blocks.

use super::{Fault, malformed, protocol_error};

pub(super) const USER_PROPERTY: u8 = 38;
pub(super) const CONNECT_PROPERTIES: &[u8] = &[17, 21, 22, 23, 25, 33, 34, USER_PROPERTY, 39];
pub(super) const WILL_PROPERTIES: &[u8] = &[1, 2, 3, 8, 9, 24, USER_PROPERTY];
pub(super) const PUBLISH_PROPERTIES: &[u8] = &[1, 2, 3, 8, 9, 35, USER_PROPERTY];
pub(super) const SUBSCRIBE_PROPERTIES: &[u8] = &[11, USER_PROPERTY];
pub(super) const USER_PROPERTIES: &[u8] = &[USER_PROPERTY];
pub(super) const ACKNOWLEDGEMENT_PROPERTIES: &[u8] = &[31, USER_PROPERTY];
pub(super) const DISCONNECT_PROPERTIES: &[u8] = &[17, 31, USER_PROPERTY];

/// The properties that the door looks at; the others are only checked.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Properties {
    pub receive_maximum: Option<u16>,
    pub packet_bytes_max: Option<u32>,
    pub topic_alias: Option<u16>,
    pub subscription_id: bool,
    pub authentication_method: bool,
}

/// Reads fields from a body whose length is known; running over its end is malformed.
pub(super) struct Reader<'a> {
    pub rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(rest: &'a [u8]) -> Self {
        Reader { rest }
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(malformed("a field that runs over the end"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn end(&self) -> Result<(), Fault> {
        if self.rest.is_empty() { Ok(()) } else { Err(malformed("bytes after the last field")) }
    }

    pub fn u8(&mut self) -> Result<u8, Fault> {
        Ok(self.take(1)?[0])
    }

    pub fn u16(&mut self) -> Result<u16, Fault> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub fn u32(&mut self) -> Result<u32, Fault> {
        Ok(u32::from(self.u16()?) << 16 | u32::from(self.u16()?))
    }

    pub fn packet_id(&mut self) -> Result<u16, Fault> {
        match self.u16()? {
            0 => Err(protocol_error("packet identifier nought")),
            id => Ok(id),
        }
    }

    pub fn variable(&mut self) -> Result<usize, Fault> {
        let mut value = 0;
        for index in 0..4 {
            let byte = self.u8()?;
            value |= usize::from(byte & 0x7F) << (7 * index);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(malformed("a variable-length integer of more than four bytes"))
    }

    pub fn binary(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    pub fn text(&mut self) -> Result<&'a str, Fault> {
        let text = std::str::from_utf8(self.binary()?).map_err(|_| malformed("text that is not UTF-8"))?;
        if text.contains('\0') { Err(malformed("text with a NUL")) } else { Ok(text) }
    }

    /// Walks a property block: it must end where it says, hold only what is allowed, and nothing twice.
    pub fn properties(&mut self, allowed: &[u8]) -> Result<Properties, Fault> {
        let length = self.variable()?;
        let mut block = Reader::new(self.take(length)?);
        let mut found = Properties::default();
        let mut seen = 0u64;
        while !block.rest.is_empty() {
            let id = block.u8()?;
            if !allowed.contains(&id) {
                return Err(malformed("a property that this packet may not have"));
            }
            if id != USER_PROPERTY && seen & (1 << id) != 0 {
                return Err(protocol_error("a property given twice"));
            }
            seen |= 1 << id;
            match id {
                1 | 23 | 25 => {
                    if block.u8()? > 1 {
                        return Err(protocol_error("a yes-or-no property that is neither"));
                    }
                }
                2 | 17 | 24 => {
                    block.u32()?;
                }
                39 => found.packet_bytes_max = Some(block.u32()?),
                33 => found.receive_maximum = Some(block.u16()?),
                34 => {
                    block.u16()?;
                }
                35 => found.topic_alias = Some(block.u16()?),
                9 | 22 => {
                    block.binary()?;
                }
                3 | 8 | 31 => {
                    block.text()?;
                }
                21 => {
                    block.text()?;
                    found.authentication_method = true;
                }
                11 => {
                    block.variable()?;
                    found.subscription_id = true;
                }
                _ => {
                    block.text()?;
                    block.text()?;
                }
            }
        }
        Ok(found)
    }
}
