// The Worker of the explorer, in a tab.

import { expose } from "comlink";
import { createExplorer } from "../threads/explorer.js";
import { webModules } from "./modules.js";

expose(createExplorer(webModules));
