// Arrays as packing.py wrote them: base64 of zlib of byte planes of folded differences.

async function inflated(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Float64Array or Float32Array in the order of `shape`, NaN where there is no number. whole: 64 bits, for frame numbers. */
async function unpacked({shape, step, data}, whole = false) {
  const planes = await inflated(data);
  const size = planes.length / 4;
  const channels = shape[0] ? size / shape[0] : 1;
  const values = new (whole ? Float64Array : Float32Array)(size);
  const sums = new Int32Array(channels);
  for (let start = 0; start < size; start += channels) {
    for (let channel = 0; channel < channels; channel++) {
      const i = start + channel;
      const folded = planes[i] | planes[size + i] << 8 | planes[2 * size + i] << 16 | planes[3 * size + i] << 24;
      sums[channel] += (folded >>> 1) ^ -(folded & 1);
      values[i] = sums[channel] === -2147483648 ? NaN : sums[channel] * step;
    }
  }
  return values;
}
