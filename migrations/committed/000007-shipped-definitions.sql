--! Previous: sha1:884d19c859f94f101f25b954ac4b2517e9e688e4
--! Hash: sha1:9dcd8b18707f1cd100d3fb9e854385ee05ab988f
--! Message: shipped definitions

--! Included data/shipped_definitions.sql
-- definitions/attune.json, word for word.
select from attune.apply_definitions($definitions$
{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "attune",
  "title": "The settings that Attune ships",
  "type": "object",
  "properties": {
    "PROJECTS_ENABLED": {
      "type": "boolean",
      "default": false,
      "description": "Projects: plan and follow work.",
      "x-attune": {
        "category": "features"
      }
    },
    "STYLE_GUIDE_ENABLED": {
      "type": "boolean",
      "default": false,
      "description": "The style guide: the building blocks of the interface, on one page.",
      "x-attune": {
        "category": "features"
      }
    },
    "AGENT_WORK_ORDERS_ENABLED": {
      "type": "boolean",
      "default": false,
      "description": "Work orders that agents carry out.",
      "x-attune": {
        "category": "features"
      }
    },
    "LOGFIRE_ENABLED": {
      "type": "boolean",
      "default": false,
      "description": "Logging and tracing with Logfire.",
      "x-attune": {
        "category": "features"
      }
    },
    "DISCONNECT_SCREEN_ENABLED": {
      "type": "boolean",
      "default": false,
      "description": "A screen that tells when the connection to the server is lost.",
      "x-attune": {
        "category": "features"
      }
    },
    "TASKS_ENABLED": {
      "type": "boolean",
      "default": false,
      "description": "Tasks inside projects.",
      "x-attune": {
        "category": "features"
      }
    },
    "KNOWLEDGE_BASE_ENABLED": {
      "type": "boolean",
      "default": false,
      "description": "The knowledge base.",
      "x-attune": {
        "category": "features"
      }
    },
    "MCP_SERVER_DASHBOARD_ENABLED": {
      "type": "boolean",
      "default": false,
      "description": "The dashboard of the MCP server.",
      "x-attune": {
        "category": "features"
      }
    },
    "DARK_MODE_ENABLED": {
      "type": "boolean",
      "default": false,
      "description": "The dark theme.",
      "x-attune": {
        "category": "features"
      }
    },
    "MODEL_CHOICE": {
      "type": "string",
      "minLength": 1,
      "maxLength": 200,
      "default": "gpt-4.1-nano",
      "description": "The language model that answers questions and writes summaries.",
      "x-attune": {
        "category": "rag_strategy",
        "layer": "global"
      }
    },
    "USE_CONTEXTUAL_EMBEDDINGS": {
      "type": "boolean",
      "default": false,
      "description": "Adds the context of the whole document to each passage before it is embedded: better answers, slower ingestion.",
      "x-attune": {
        "category": "rag_strategy",
        "layer": "global"
      }
    },
    "USE_HYBRID_SEARCH": {
      "type": "boolean",
      "default": true,
      "description": "Searches by meaning and by words, and joins both results.",
      "x-attune": {
        "category": "rag_strategy",
        "layer": "global"
      }
    },
    "USE_RERANKING": {
      "type": "boolean",
      "default": true,
      "description": "Puts the found passages in order once more with a cross-encoder.",
      "x-attune": {
        "category": "rag_strategy",
        "layer": "global"
      }
    },
    "RAG_RESULT_COUNT": {
      "type": "integer",
      "minimum": 1,
      "maximum": 50,
      "default": 5,
      "description": "How many passages a search returns.",
      "x-attune": {
        "category": "rag_strategy",
        "layer": "global"
      }
    },
    "PREFERENCES_PER_USER": {
      "type": "integer",
      "minimum": 1,
      "maximum": 10000,
      "default": 1000,
      "description": "How many preferences one user may hold.",
      "x-attune": {
        "category": "system",
        "layer": "global"
      }
    }
  }
}
$definitions$);
--! EndIncluded data/shipped_definitions.sql
