//! The archive format in one page; `docs/archive-format.md` is the long form.
//!
//! An archive is one tar stream cut into chunks. Each chunk is one gzip member (`member`); its extra field
//! says how long the member is and what digest its payload has, so a reader can hop, and inflate on every
//! core. Behind the data come empty members that carry a deflated index (`index`), and a last empty member
//! of fixed length, the footer, that says where the index is. `gunzip` sees nothing but the tar.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `header` | tar headers as we write them |
//! | `reader` | tar streams as anyone writes them, strictly |
//! | `member` | gzip members: seal a payload, open it again, footer |
//! | `index` | the table of members and entries |
//! | `writer` | members in order, then index and footer |
//! | `stream` | any archive as a stream of tar bytes, inflated ahead |
//! | `foreign` | what files are that are no archive |
//! | `bytes` | the bytes of an archive at any offset, in a file or a store |
//! | `tail` | the end of an archive: footer and index, checked and parsed |
//! | `open` | an open archive: its index, one member of it |

mod bytes;
pub(crate) mod foreign;
pub mod header;
pub mod index;
pub mod member;
pub mod open;
pub mod reader;
pub mod stream;
mod tail;
pub mod writer;
