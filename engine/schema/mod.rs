//! The outside view of values: scripts, JSON files, editors.
//!
//! A type that leaves the engine is declared once, by [`record!`](crate::record) or [`words!`](crate::words). The declaration gives the
//! Rust type, its description for scripts and editors ([`Described`]), how it is written ([`Show`]) and how it is read ([`Read`]). Scripts
//! and JSON files are two readers and writers of the same declaration, so they cannot drift apart.
//!
//! serde would be enough for JSON alone. But it cannot express that two fields hold the same value, and the memory of a long rollout is the
//! same few items at every step; nor can it say where in a script's table a mistake is.

mod read;
mod rules;
mod show;

pub use read::{Problem, Read, Source, defaults, read_json, read_json_as};
pub use rules::{As, Bulk, FromOne, FromOneIfThere, FromOneOrFirst, IfThere, OrDefault, Plain, Seconds, Seed};
pub use show::{Show, Shown};

/// The type of a value.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Anything but nil.
    Any,
    /// True or false.
    Boolean,
    /// A number; neither infinite nor NaN.
    Number,
    /// A whole number of at most 2^53 in size.
    Integer,
    /// A string.
    Text,
    /// Any table.
    Table,
    /// A list.
    List(&'static Kind),
    /// A table with text keys.
    Map(&'static Kind),
    /// A script's function: its parameters with their names, and its result.
    Function(&'static [(&'static str, Kind)], &'static Kind),
    /// An object of the scripts' API, by name.
    Object(&'static str),
    /// A table with known keys.
    Record(&'static Record),
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// One of several types.
    Either(&'static [Kind]),
    /// Nothing.
    Nil,
}

/// A table with known keys, and its name in the editor types.
#[derive(Debug)]
pub struct Record {
    /// Its name.
    pub name: &'static str,
    /// Its documentation.
    pub doc: &'static str,
    /// Its keys.
    pub fields: &'static [Field],
    /// Whether a table passed in is checked key by key. Results passed back as arguments are not, because scripts may add keys to them.
    pub checked: bool,
}

/// One key of a record or of a table of arguments.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// The type of its value.
    pub kind: Kind,
    /// Whether it is required.
    pub need: Need,
    /// Its documentation.
    pub doc: &'static str,
}

/// What happens when a key is absent.
#[derive(Debug, Clone, Copy)]
pub enum Need {
    /// It is an error.
    Required,
    /// Nothing is set.
    Optional,
    /// A default value is used, shown here as JSON.
    Default(fn() -> String),
}

/// A type with a known [`Kind`].
pub trait Described {
    /// Its kind.
    const KIND: Kind;
    /// Whether a field of this type is required.
    const NEED: Need = Need::Required;
}

macro_rules! described {
    ($($kind:ident: $($ty:ty),*;)*) => { $($(impl Described for $ty {
        const KIND: Kind = Kind::$kind;
    })*)* };
}

described! {
    Boolean: bool;
    Number: f32, f64;
    Integer: u8, u32, u64, usize, i64;
    Text: String, &str, std::path::PathBuf;
    Any: serde_json::Value;
}

/// Nothing is returned.
impl Described for () {
    const KIND: Kind = Kind::Nil;
}

impl<T: Described> Described for Option<T> {
    const KIND: Kind = T::KIND;
    const NEED: Need = Need::Optional;
}

impl<T: Described> Described for Vec<T> {
    const KIND: Kind = Kind::List(&T::KIND);
}

impl<T: Described> Described for std::rc::Rc<T> {
    const KIND: Kind = T::KIND;
}

impl<T: Described> Described for std::collections::BTreeMap<String, T> {
    const KIND: Kind = Kind::Map(&T::KIND);
}

/// Declares structs that scripts and files see as tables.
///
/// ```
/// finemem::record! {
///     /// A place on a map.
///     pub struct Place as "Place" {
///         /// its name
///         pub name: String,
///         /// its height in metres
///         pub height: Option<f64>,
///         /// its number on the map
///         pub number: usize => FromOne,
///         /// how many live there
///         pub people: u64 = 0,
///     }
/// }
/// # use finemem::schema::Show;
/// let oska = Place { name: "Oska".into(), height: None, number: 0, people: 12 };
/// assert_eq!(oska.show().to_string(), r#"{"name":"Oska","number":1,"people":12}"#);
/// let bem = serde_json::json!({ "name": "Bem", "number": 2 });
/// assert_eq!(finemem::schema::read_json::<Place>(&bem).unwrap().people, 0);
/// ```
///
/// Editors show the comments of the struct and its fields. An `Option` may be absent, and so may a field with a default. `=> FromOne`
/// replaces the type's own rule ([`As`]); `as KIND` replaces its [`Kind`], for values whose Rust
/// type does not tell, such as functions. `..name: Type,` at the end adds the fields of another record. `as "Place", checked` checks tables
/// that are passed in key by key. A record without a name describes the arguments of a function.
#[macro_export]
macro_rules! record {
    (@one
        $(#[doc = $doc:literal])*
        $(#[derive($($derive:ident),+)])?
        $vis:vis struct $name:ident $(as $said:literal $(, $checked:ident)?)? {
            $(
                $(#[doc = $field_doc:literal])+ $(#[serde $serde:tt])*
                $field_vis:vis $field:ident: $ty:ty $(as $kind:ident)? $(=> $rule:ident)? $(= $default:expr)?,
            )*
            $(..$flat_vis:vis $flat:ident: $flat_ty:ty,)*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq $($(, $derive)+)?)]
        $vis struct $name {
            $($(#[doc = $field_doc])+ $(#[serde $serde])* $field_vis $field: $ty,)*
            $(#[doc = "The fields of its type stand beside those above."] $flat_vis $flat: $flat_ty,)*
        }

        impl $name {
            /// What scripts and editors are told about it.
            $vis const RECORD: &'static $crate::schema::Record = &$crate::schema::Record {
                name: concat!($($said)?),
                doc: $crate::record!(@doc $($doc),*),
                fields: {
                    const OWN: &[$crate::schema::Field] = &[$($crate::schema::Field {
                        name: stringify!($field),
                        kind: $crate::record!(@kind ($ty) ($($rule)?) ($($kind)?)),
                        need: $crate::record!(@need ($ty) ($($rule)?) ($($default)?)),
                        doc: $crate::record!(@doc $($field_doc),+),
                    }),*];
                    &$crate::schema::joined::<{ OWN.len() $(+ <$flat_ty>::RECORD.fields.len())* }>(&[OWN $(, <$flat_ty>::RECORD.fields)*])
                },
                checked: $crate::record!(@checked $($($checked)?)?),
            };
        }

        impl $crate::schema::Described for $name {
            const KIND: $crate::schema::Kind = $crate::schema::Kind::Record(Self::RECORD);
        }

        impl $crate::schema::Show for $name {
            fn show(&self) -> $crate::schema::Shown<'_> {
                let own = vec![
                    $((stringify!($field).into(), <$crate::record!(@rule $($rule)?) as $crate::schema::As<$ty>>::show(&self.$field))),*
                ];
                $crate::schema::Shown::joined([$crate::schema::Shown::Map(own) $(, self.$flat.show())*])
            }
        }

        impl $crate::schema::Read for $name {
            #[allow(unused_variables, reason = "a record may have no fields")]
            fn read<S: $crate::schema::Source>(source: &S) -> Result<Self, $crate::schema::Problem> {
                Ok(Self {
                    $($field: $crate::record!(@read source $field ($ty) ($($rule)?) ($($default)?)),)*
                    $($flat: <$flat_ty as $crate::schema::Read>::read(source)?,)*
                })
            }
        }
    };
    (@rule) => { $crate::schema::Plain };
    (@rule $rule:ident) => { $crate::schema::$rule };
    (@kind ($ty:ty) ($($rule:ident)?) ()) => { <$crate::record!(@rule $($rule)?) as $crate::schema::As<$ty>>::KIND };
    (@kind ($ty:ty) ($($rule:ident)?) ($kind:ident)) => { $kind };
    (@need ($ty:ty) ($($rule:ident)?) ()) => { <$crate::record!(@rule $($rule)?) as $crate::schema::As<$ty>>::NEED };
    (@need ($ty:ty) ($($rule:ident)?) ($default:expr)) => {
        $crate::schema::Need::Default(|| {
            let value: $ty = $default;
            <$crate::record!(@rule $($rule)?) as $crate::schema::As<$ty>>::show(&value).to_string()
        })
    };
    (@read $source:ident $field:ident ($ty:ty) ($($rule:ident)?) ()) => {
        $crate::schema::Source::field::<$ty, $crate::record!(@rule $($rule)?)>($source, stringify!($field))?
    };
    (@read $source:ident $field:ident ($ty:ty) ($($rule:ident)?) ($default:expr)) => {
        $crate::schema::Source::field_or::<$ty, $crate::record!(@rule $($rule)?)>($source, stringify!($field), || $default)?
    };
    (@checked) => { false };
    (@checked checked) => { true };
    (@doc $($doc:literal),*) => { $crate::schema::trimmed(concat!($($doc),*)) };
    ($(
        $(#[$($attribute:tt)*])* $vis:vis struct $name:ident $(as $said:literal $(, $checked:ident)?)? { $($body:tt)* }
    )+) => { $(
        $crate::record! { @one $(#[$($attribute)*])* $vis struct $name $(as $said $(, $checked)?)? { $($body)* } }
    )+ };
}

/// Declares an enum of plain cases with names.
///
/// ```
/// finemem::words! {
///     /// An end of a list.
///     #[derive(Default)]
///     pub enum End {
///         /// The first element.
///         #[default]
///         First = "first",
///         /// The last element.
///         Last = "last",
///     }
/// }
/// assert_eq!("last".parse::<End>().unwrap().name(), "last");
/// assert_eq!("lost".parse::<End>().unwrap_err().to_string(), "'lost' is not one of first, last");
/// ```
#[macro_export]
macro_rules! words {
    // Names for an enum of a lower room, which does not have any.
    (impl $name:ty { $($case:ident = $word:literal),+ $(,)? }) => {
        impl $crate::schema::Described for $name {
            const KIND: $crate::schema::Kind = $crate::schema::Kind::Choice(&[$($word),+]);
        }

        impl $crate::schema::Show for $name {
            fn show(&self) -> $crate::schema::Shown<'_> {
                $crate::schema::Shown::Text(match self { $(Self::$case => $word,)+ }.into())
            }
        }

        impl $crate::schema::Read for $name {
            fn read<S: $crate::schema::Source>(source: &S) -> Result<Self, $crate::schema::Problem> {
                match source.text()?.as_str() {
                    $($word => Ok(Self::$case),)+
                    other => Err($crate::schema::Problem::new($crate::schema::not_a_word(other, &[$($word),+]))),
                }
            }
        }
    };
    (
        $(#[$meta:meta])+
        $vis:vis enum $name:ident {
            $($(#[$case_meta:meta])+ $case:ident = $word:literal),+ $(,)?
        }
    ) => {
        $(#[$meta])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis enum $name { $($(#[$case_meta])+ $case,)+ }

        impl $name {
            /// All cases.
            $vis const ALL: &'static [Self] = &[$(Self::$case),+];

            /// The names of all cases.
            $vis const NAMES: &'static [&'static str] = &[$($word),+];

            /// The name of this case.
            $vis const fn name(self) -> &'static str {
                match self { $(Self::$case => $word,)+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$case),)+
                    other => Err($crate::Error::argument($crate::schema::not_a_word(other, Self::NAMES))),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl $crate::schema::Described for $name {
            const KIND: $crate::schema::Kind = $crate::schema::Kind::Choice(Self::NAMES);
        }

        impl $crate::schema::Show for $name {
            fn show(&self) -> $crate::schema::Shown<'_> {
                $crate::schema::Shown::Text(self.name().into())
            }
        }

        impl $crate::schema::Read for $name {
            fn read<S: $crate::schema::Source>(source: &S) -> Result<Self, $crate::schema::Problem> {
                source.text()?.parse().map_err(|error: $crate::Error| $crate::schema::Problem::new(error.to_string()))
            }
        }
    };
}

/// Concatenates lists of fields. `N` is their total length.
#[doc(hidden)]
pub const fn joined<const N: usize>(lists: &[&[Field]]) -> [Field; N] {
    let mut all = [Field { name: "", kind: Kind::Nil, need: Need::Required, doc: "" }; N];
    let (mut at, mut list) = (0, 0);
    while list < lists.len() {
        let mut i = 0;
        while i < lists[list].len() {
            all[at] = lists[list][i];
            at += 1;
            i += 1;
        }
        list += 1;
    }
    all
}

/// A doc comment without its leading space.
#[doc(hidden)]
pub const fn trimmed(doc: &'static str) -> &'static str {
    doc.trim_ascii()
}

/// The message for an unknown word.
#[doc(hidden)]
pub fn not_a_word(word: &str, known: &[&str]) -> String {
    format!("'{word}' is not one of {}", known.join(", "))
}
