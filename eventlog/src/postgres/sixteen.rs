//! Sixteen bytes. Postgres has a type of that length and calls it UUID; it is shorter than BYTEA in rows and in indexes, and
//! quicker to compare.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type};

/// As a value of a column, and in arrays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sixteen(pub(super) [u8; 16]);

// The numbers of built-in types never change; `pg_type.dat` of the server's source has them.
const UUID: Oid = Oid(2_950);
const UUID_ARRAY: Oid = Oid(2_951);

impl Type<Postgres> for Sixteen {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(UUID)
    }
}

impl PgHasArrayType for Sixteen {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(UUID_ARRAY)
    }
}

impl Encode<'_, Postgres> for Sixteen {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }
}

impl Decode<'_, Postgres> for Sixteen {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        Ok(Self(value.as_bytes()?.try_into()?))
    }
}
