// What an invocation of a compute shader may read and write of each buffer, as far as its text says.

/**
 * Of each storage or uniform buffer that a shader declares: how many of its elements one invocation reads and writes at most. Infinity where that hangs on a loop,
 * or where the text does not say. Self-contained, so that a page can be given its text.
 * @param {string} code   WGSL
 * @param {string} [entry]   the entry point; the only one, where there is one
 * @returns {{threads: number, buffers: Record<string, {group: number, binding: number, name: string, element: number, loads: number, stores: number}>}}
 *   `threads` of a workgroup, NaN where no literal says; buffers by "group,binding"; `element` in bytes, NaN where it is not known
 */
export function wgslAccess(code, entry) {
  const text = code.replace(/\/\/.*$/gm, "").replace(/\/\*[\s\S]*?\*\//g, "");
  const constants = Object.fromEntries([...text.matchAll(/\bconst\s+(\w+)\s*(?::\s*\w+)?\s*=\s*(\d+)[ui]?\s*;/g)].map(([, name, value]) => [name, Number(value)]));

  /** The place behind the bracket that closes the one at `at`. */
  const close = (at) => {
    const pairs = { "(": ")", "[": "]", "{": "}" };
    const [open, shut] = [text[at], pairs[text[at]]];
    for (let depth = 0, i = at; i < text.length; i += 1) {
      if (text[i] === open) depth += 1;
      else if (text[i] === shut && --depth === 0) return i + 1;
    }
    return text.length;
  };

  const scalars = { f32: 4, u32: 4, i32: 4, f16: 2 };
  const short = { f: 4, u: 4, i: 4, h: 2 };
  /** Bytes from one element of this type to the next; NaN for what is neither scalar nor vector. */
  const stride = (type) => {
    const plain = type.replace(/\s/g, "").replace(/^atomic<(\w+)>$/, "$1");
    const vector = /^vec([234])(?:<(\w+)>|([fuih]))$/.exec(plain);
    if (!vector) return scalars[plain] ?? NaN;
    return (vector[1] === "3" ? 4 : Number(vector[1])) * (vector[2] ? scalars[vector[2]] ?? NaN : short[vector[3]]);
  };

  const buffers = {};
  const places = {};
  for (const [, before, space, name, type] of text.matchAll(/((?:@\w+\s*\([^)]*\)\s*)+)var\s*<\s*(storage|uniform)[^>]*>\s*(\w+)\s*:\s*([^;]+);/g)) {
    const number = (attribute) => Number(new RegExp(`@${attribute}\\s*\\(\\s*(\\d+)`).exec(before)?.[1] ?? 0);
    const array = /^array\s*<([\s\S]*)>\s*$/.exec(type.trim());
    const element = array ? stride(array[1].replace(/,[^,<>]*$/, "")) : NaN;
    const place = `${number("group")},${number("binding")}`;
    places[name] = place;
    buffers[place] = { group: number("group"), binding: number("binding"), name, element, loads: space === "uniform" ? Infinity : 0, stores: 0 };
  }

  const functions = {};
  for (const match of text.matchAll(/((?:@\w+\s*(?:\([^)]*\))?\s*)*)\bfn\s+(\w+)\s*\(/g)) {
    const parameters = close(match.index + match[0].length - 1);
    const from = text.indexOf("{", parameters);
    const to = close(from);
    functions[match[2]] = { attributes: match[1], shadows: text.slice(match.index + match[0].length, parameters - 1), from, to };
  }
  const loops = [...text.matchAll(/\b(for|while|loop)\b/g)].map(({ index, 0: word }) => {
    const head = index + word.length + /^\s*/.exec(text.slice(index + word.length))[0].length;
    const body = text.indexOf("{", text[head] === "(" ? close(head) : head);
    return [index, close(body)];
  });
  const looped = (at) => loops.some(([from, to]) => at > from && at < to);

  /** What one call of a function does itself, and what it calls, each with the number of times. */
  const own = (name) => {
    const { from, to, shadows } = functions[name];
    const body = text.slice(from, to);
    const does = [], calls = [];
    const mentions = Object.keys(places).filter((buffer) => !new RegExp(`\\b${buffer}\\s*:`).test(shadows));
    if (mentions.length > 0) {
      for (const { index, 0: word } of body.matchAll(new RegExp(`(?<![\\w.])(?:${mentions.join("|")})\\b`, "g"))) {
        const at = from + index;
        if (/arrayLength\s*\(\s*&\s*$/.test(text.slice(Math.max(0, at - 40), at))) continue;
        // In parentheses, (&buffer)[i] or (buffer)[i], it is the same.
        let after = at + word.length + /^[\s)]*/.exec(text.slice(at + word.length, at + word.length + 40))[0].length;
        const part = text[after] === "[";
        if (!part) {
          does.push([word, Infinity, Infinity]);
          continue;
        }
        const times = looped(at) ? Infinity : 1;
        const byReference = /&\s*\(*\s*$/.test(text.slice(Math.max(0, at - 20), at)) && text[after - 1] !== ")";
        after = close(after);
        for (let more; (more = /^\s*(\.\w+|\[)/.exec(text.slice(after, after + 40))); ) after = more[1] === "[" ? close(text.indexOf("[", after)) : after + more[0].length;
        const next = /^\s*(=(?!=)|(?:[-+*/%&|^]|<<|>>)=|\+\+|--)?/.exec(text.slice(after, after + 20))[1];
        does.push([word, next === "=" ? 0 : times, next || byReference ? times : 0]);
      }
    }
    for (const { index, 1: callee } of body.matchAll(/\b(\w+)\s*\(/g)) if (functions[callee] && callee !== name) calls.push([callee, looped(from + index) ? Infinity : 1]);
    return { does, calls };
  };
  const add = (name, times) => {
    const { does, calls } = own(name);
    for (const [buffer, loads, stores] of does) {
      const of = buffers[places[buffer]];
      if (loads) of.loads += loads * times;
      if (stores) of.stores += stores * times;
    }
    for (const [callee, n] of calls) add(callee, n * times);
  };
  const main = entry && functions[entry] ? entry : Object.keys(functions).find((name) => functions[name].attributes.includes("@compute"));
  if (main) add(main, 1);
  const size = /@workgroup_size\s*\(([^)]*)\)/.exec(functions[main]?.attributes ?? "")?.[1].split(",").filter((part) => part.trim());
  const threads = size ? size.reduce((all, part) => all * (/^\s*\d+[ui]?\s*$/.test(part) ? parseInt(part) : constants[part.trim()] ?? NaN), 1) : NaN;
  return { threads, buffers };
}
