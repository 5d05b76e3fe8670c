//! What a note's documents say: which version it is of, and whether that is true.

use fanfare::status::Availability;
use fanfare::{Category, Rendition, Status};

use super::NO_INDEX;
use crate::payload::{Header, Press};
use crate::presence::{self, Sight};

/// What one note's documents come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// The newest version that a document names; 0 if none names any.
    pub(super) version: u32,
    /// Its entry in the log.
    pub(super) index: u32,
    /// A number that tells a version to whoever knows the one before.
    pub(super) number: Option<Availability>,
}

/// Why a note's documents come to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// One of them was not published so.
    Untrue,
    /// One of them is not for these eyes.
    Denied,
}

/// Reads documents one after the other.
pub(super) struct Reader<'a> {
    pub(super) press: &'a Press,
    pub(super) user: u32,
    pub(super) sight: Sight,
    /// Whether whole bodies are compared, and not only headers.
    pub(super) bodies: bool,
    pub(super) reading: Reading,
}

impl<'a> Reader<'a> {
    pub(super) fn new(press: &'a Press, user: u32, sight: Sight, bodies: bool) -> Self {
        Self { press, user, sight, bodies, reading: Reading { version: 0, index: NO_INDEX, number: None } }
    }

    /// Reads one category's document.
    ///
    /// Inlined, and by value: were the reading's address handed on, it would be put together in memory, and read back in
    /// other pieces than it was written in, which the processor has to wait for, at every note.
    #[inline(always)]
    pub(super) fn read(&mut self, category: Category, document: &[u8]) -> Result<(), Wrong> {
        let Self { press, user, sight, bodies, reading } = *self;
        if !sight.shows(category) {
            return Err(Wrong::Denied);
        }
        let told = match sight == Sight::Plain || category != Category::FIRST {
            true => of_document(press, user, bodies, document)?,
            false => of_rendition(press, user, sight, bodies, document)?,
        };
        let newest = if told.version > reading.version { told } else { reading };
        self.reading = Reading { number: told.number.or(reading.number), ..newest };
        Ok(())
    }
}

/// What a document says that was published as it is.
#[inline(always)]
fn of_document(press: &Press, user: u32, bodies: bool, document: &[u8]) -> Result<Reading, Wrong> {
    let header = Header::read(document).filter(|header| header.user == user).ok_or(Wrong::Untrue)?;
    if bodies && !press.body_is_exact(&header, document) {
        return Err(Wrong::Untrue);
    }
    Ok(Reading { version: header.version, index: header.index, number: None })
}

/// What a composed document says.
fn of_rendition(press: &Press, user: u32, sight: Sight, bodies: bool, document: &[u8]) -> Result<Reading, Wrong> {
    let rendition = Rendition::from_bytes(document).map_err(|_| Wrong::Untrue)?;
    if sight == Sight::Number {
        if !rendition.entries.is_empty() || rendition.status != rendition.status.availability_only() {
            return Err(Wrong::Denied);
        }
        return Ok(Reading { version: 0, index: NO_INDEX, number: Some(rendition.status.availability) });
    }
    let [entry] = rendition.entries[..] else { return Err(Wrong::Untrue) };
    let told = of_document(press, user, bodies, entry.document)?;
    let is_true = |status: Status| status == shown(sight, told.version);
    let same = entry.endpoint == presence::SHOWN && is_true(entry.status) && is_true(rendition.status);
    if same { Ok(told) } else { Err(Wrong::Untrue) }
}

/// The status that a version is shown with.
fn shown(sight: Sight, version: u32) -> Status {
    let status = presence::status_of(version);
    if sight == Sight::Urgent { status.urgent_only() } else { status }
}

#[cfg(test)]
mod tests {
    use fanfare::presence::rendition::Entry;

    use super::*;

    fn rendition(version: u32, status: Status, document: &[u8]) -> Vec<u8> {
        let entry = Entry { endpoint: presence::SHOWN, status: presence::status_of(version), document };
        Rendition { status, entries: vec![entry] }.to_bytes()
    }

    fn read(sight: Sight, category: Category, document: &[u8]) -> Result<Reading, Wrong> {
        let press = Press::new();
        let mut reader = Reader::new(&press, 7, sight, true);
        reader.read(category, document)?;
        Ok(reader.reading)
    }

    #[test]
    fn the_document_inside_tells_the_version_and_the_status_has_to_be_its_own() {
        let document = Press::new().document(&Header { user: 7, version: 7, plan_us: 9, index: 3 }, 100);
        let status = presence::status_of(7);
        let whole = rendition(7, status, &document);
        let expected = Reading { version: 7, index: 3, number: None };
        assert_eq!(read(Sight::Whole, Category::FIRST, &whole), Ok(expected));
        assert_eq!(read(Sight::Urgent, Category::FIRST, &whole), Err(Wrong::Untrue));
        assert_eq!(read(Sight::Number, Category::FIRST, &whole), Err(Wrong::Denied));
        let other = rendition(7, presence::status_of(8), &document);
        assert_eq!(read(Sight::Whole, Category::FIRST, &other), Err(Wrong::Untrue));
        assert_eq!(read(Sight::Whole, Category::FIRST, &document), Err(Wrong::Untrue));
    }

    #[test]
    fn outside_there_is_a_number_and_the_card_and_nothing_else() {
        let document = Press::new().document(&Header { user: 7, version: 4, plan_us: 9, index: 3 }, 24);
        let status = presence::status_of(4);
        let number = Rendition { status, entries: Vec::new() }.to_bytes();
        let reading = read(Sight::Number, Category::FIRST, &number).unwrap();
        assert_eq!((reading.version, reading.number), (0, Some(status.availability)));
        assert_eq!(read(Sight::Number, fanfare::Scheme::LYNC_CARD, &document).unwrap().version, 4);
        assert_eq!(read(Sight::Number, Category::numbered(1), &document), Err(Wrong::Denied));
    }
}
