// The page's end of a contestant in a worker.

import { served } from "./serve.js";

/** @param {"onnx" | "tensorflow"} kind */
export const contestant = (kind) => served(`/peers/${kind}.js`);
