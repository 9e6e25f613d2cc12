//! Keeps the customers whom the core knows the same as those on the disk: one by one as they change, and all of them anew
//! where an import has changed many, or the index has grown old.
//!
//! What changes while an index is being read from the disk must not be lost when it takes the place of the old one: so
//! those changes are kept, and made to the new one too before it is handed over.
//!
//! ```text
//!   writer ─ after the commit ─ changed() ──────────────► core
//!                                  │ kept meanwhile        ▲
//!   renew(): read all from the disk, then make those too ──┘
//! ```

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::customer::Entry;
use crate::drive::Post;
use crate::store::{CustomerChange, Reader, StoreError};
use crate::switch::Input;

/// The way of customers from the disk to the core. Clones are the same.
#[derive(Clone)]
pub struct AddressBook {
    post: Post,
    directory: PathBuf,
    /// One renewal at a time.
    renewing: Arc<Mutex<()>>,
    /// What has changed since the present renewal began. `None`: none is under way.
    meanwhile: Arc<Mutex<Option<Vec<CustomerChange>>>>,
}

impl std::fmt::Debug for AddressBook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AddressBook").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl AddressBook {
    /// From the database in `storage.directory` to the loop behind this post.
    pub fn new(post: Post, directory: PathBuf) -> AddressBook {
        AddressBook { post, directory, renewing: Arc::default(), meanwhile: Arc::default() }
    }

    /// These customers are different on the disk, in order: the core learns of it at once.
    pub fn changed(&self, changes: Vec<CustomerChange>) {
        // Held while they are posted: a fresh index comes either before all of them or with all of them.
        let mut meanwhile = lock(&self.meanwhile);
        if let Some(meanwhile) = meanwhile.as_mut() {
            meanwhile.extend(changes.iter().cloned());
        }
        for CustomerChange { kind, id, now, at } in changes {
            self.post.input(Input::Customer { kind, id, now: now.map(Box::new), changed: at });
        }
    }

    /// Reads all customers from the disk and hands them to the core; how many there are. Takes seconds at a million.
    ///
    /// # Errors
    /// The database cannot be read; then the core knows what it knew.
    pub fn renew(&self) -> Result<usize, StoreError> {
        let _one_at_a_time = lock(&self.renewing);
        *lock(&self.meanwhile) = Some(Vec::new());
        let index = Reader::open(&self.directory).and_then(|reader| reader.customer_index());
        let mut meanwhile = lock(&self.meanwhile);
        let changes = meanwhile.take().unwrap_or_default();
        let mut index = index?;
        for CustomerChange { kind, id, now, at } in &changes {
            match now {
                Some(card) => {
                    let responsible = card.responsible.as_deref();
                    let (name, numbers) = (&*card.name, &*card.numbers);
                    let entry = Entry { id, kind: *kind, name, numbers, responsible, changed: *at };
                    if let Err(why) = index.upsert(&entry) {
                        tracing::warn!(%id, ?why, "a customer is too large for the index and is not known");
                    }
                }
                None => drop(index.remove(*kind, id)),
            }
        }
        let customers = index.len();
        self.post.input(Input::Customers(Box::new(index)));
        Ok(customers)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::customer::{CustomerIndex, Kind};
    use crate::drive::Letter;
    use crate::fact::CustomerCard;
    use crate::store::fixture::{Folder, at};

    fn change(id: &str, name: Option<&str>, at: Timestamp) -> CustomerChange {
        let card = |name: &str| CustomerCard {
            name: name.into(),
            numbers: vec!["+4930123456".parse().unwrap()],
            ..CustomerCard::default()
        };
        CustomerChange { kind: Kind::Contact, id: id.into(), now: name.map(card), at }
    }

    /// What the core knows after what was posted to it.
    fn known(post: &Post, index: &mut CustomerIndex) -> usize {
        let mut letters = Vec::new();
        post.take(&mut letters);
        let count = letters.len();
        for letter in letters {
            let Letter::Input(input) = letter else { panic!("only inputs") };
            match *input {
                Input::Customers(all) => *index = *all,
                Input::Customer { kind, id, now: Some(card), changed } => index
                    .upsert(&Entry {
                        id: &id,
                        kind,
                        name: &card.name,
                        numbers: &card.numbers,
                        responsible: None,
                        changed,
                    })
                    .unwrap(),
                Input::Customer { kind, id, now: None, .. } => drop(index.remove(kind, &id)),
                other => panic!("{other:?}"),
            }
        }
        count
    }

    #[test]
    fn what_changes_while_all_are_read_anew_is_not_lost() {
        let folder = Folder::new();
        drop(folder.writer());
        let poll = mio::Poll::new().unwrap();
        let post = Post::new(Arc::new(mio::Waker::new(poll.registry(), mio::Token(0)).unwrap()));
        let book = AddressBook::new(post.clone(), folder.0.clone());
        let mut core = CustomerIndex::default();
        book.changed(vec![change("1", Some("Ada"), at(0))]);
        // A renewal that began before this change, and read the disk before it, ends after it.
        *lock(&book.meanwhile) = Some(Vec::new());
        book.changed(vec![change("2", Some("Charles"), at(1)), change("1", None, at(1))]);
        assert_eq!(lock(&book.meanwhile).as_ref().map(Vec::len), Some(2));
        assert_eq!(known(&post, &mut core), 3);
        assert_eq!((core.len(), core.get(Kind::Contact, "2").unwrap().name()), (1, "Charles"));
        *lock(&book.meanwhile) = None;
        assert_eq!(book.renew().unwrap(), 0, "nobody is on this disk");
        known(&post, &mut core);
        assert!(core.is_empty());
    }
}
