//! The mask over a client's payloads (RFC 6455 §5.3).

/// Masks, or unmasks: the mask's bytes are repeated over the data and xored in.
///
/// `offset` is how many bytes of the same payload went before.
///
/// # Examples
///
/// ```
/// use squall_web::websocket::codec::apply_mask;
///
/// let mut data = *b"54321";
/// apply_mask(&mut data, *b"abcd", 0);
/// assert_eq!(&data, b"TVPVP");
/// ```
pub fn apply_mask(data: &mut [u8], mask: [u8; 4], offset: usize) {
    let mut turned = mask;
    turned.rotate_left(offset % 4);
    let wide = u128::from(u32::from_ne_bytes(turned));
    let wide = wide | wide << 32 | wide << 64 | wide << 96;
    // Sixteen at a time, which the compiler makes one instruction of.
    let (blocks, rest) = data.as_chunks_mut::<16>();
    for block in blocks {
        *block = (u128::from_ne_bytes(*block) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(turned.iter().cycle()) {
        *byte ^= mask;
    }
}
