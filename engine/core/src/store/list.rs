//! Doubly linked lists through the records themselves: to enter and to leave costs no memory and no search.

use core::ops::IndexMut;

use bytemuck::{Pod, Zeroable};

use super::NONE;

/// A record's neighbours in one list.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Links {
    pub(crate) prev: u32,
    pub(crate) next: u32,
}

/// The two ends of a list. Which field of a record holds the list's links is told with every call: a record may be in
/// several lists.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct List {
    pub(crate) head: u32,
    pub(crate) tail: u32,
}

impl List {
    pub(crate) const EMPTY: Self = Self { head: NONE, tail: NONE };

    pub(crate) fn is_empty(&self) -> bool {
        self.head == NONE
    }

    pub(crate) fn push_back<T>(
        &mut self,
        records: &mut impl IndexMut<u32, Output = T>,
        index: u32,
        links: fn(&mut T) -> &mut Links,
    ) {
        *links(&mut records[index]) = Links { prev: self.tail, next: NONE };
        match self.tail {
            NONE => self.head = index,
            tail => links(&mut records[tail]).next = index,
        }
        self.tail = index;
    }

    pub(crate) fn push_front<T>(
        &mut self,
        records: &mut impl IndexMut<u32, Output = T>,
        index: u32,
        links: fn(&mut T) -> &mut Links,
    ) {
        *links(&mut records[index]) = Links { prev: NONE, next: self.head };
        match self.head {
            NONE => self.tail = index,
            head => links(&mut records[head]).prev = index,
        }
        self.head = index;
    }

    pub(crate) fn remove<T>(
        &mut self,
        records: &mut impl IndexMut<u32, Output = T>,
        index: u32,
        links: fn(&mut T) -> &mut Links,
    ) {
        let Links { prev, next } = *links(&mut records[index]);
        match prev {
            NONE => self.head = next,
            prev => links(&mut records[prev]).next = next,
        }
        match next {
            NONE => self.tail = prev,
            next => links(&mut records[next]).prev = prev,
        }
    }
}
