/** The tensors of a safetensors file at `url`, by name, as {shape, data: Float32Array}. It is one of our own: nothing is checked. */
export async function readSafetensors(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  const bytes = await response.arrayBuffer();
  const length = Number(new DataView(bytes).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, length)));
  const tensors = {};
  delete header.__metadata__;
  for (const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries(header)) {
    const raw = bytes.slice(8 + length + from, 8 + length + to);
    tensors[name.replace(/^transformer\./, "")] = { shape, data: dtype === "F16" ? halves(new Uint16Array(raw)) : new Float32Array(raw) };
  }
  return tensors;
}

const halves = (bits) => Float32Array.from(bits, (h) => {
  const [exponent, fraction] = [(h >> 10) & 31, h & 1023];
  const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return h & 0x8000 ? -size : size;
});
