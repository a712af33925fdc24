--! Previous: sha1:500b63a7fd979a16529e64cd05e695359ac6a6f5
--! Hash: sha1:49c7f442ed69d1823a181267eeed90c6946155c5
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
    },
    "ACCESS_TOKEN_LIFETIME": {
      "type": "integer",
      "minimum": 30,
      "maximum": 86400,
      "default": 900,
      "description": "For how many seconds an access token is good.",
      "x-attune": {
        "category": "system",
        "layer": "global"
      }
    },
    "SESSION_IDLE_LIFETIME": {
      "type": "integer",
      "minimum": 60,
      "maximum": 31536000,
      "default": 1209600,
      "description": "After how many seconds without a refresh a session ends.",
      "x-attune": {
        "category": "system",
        "layer": "global"
      }
    },
    "SESSION_LIFETIME": {
      "type": "integer",
      "minimum": 60,
      "maximum": 315360000,
      "default": 7776000,
      "description": "After how many seconds a session ends in any case.",
      "x-attune": {
        "category": "system",
        "layer": "global"
      }
    },
    "REFRESH_TOKEN_REUSE_INTERVAL": {
      "type": "integer",
      "minimum": 0,
      "maximum": 300,
      "default": 10,
      "description": "For how many seconds a used refresh token still gives the same successor, as parallel tabs need; after that, its reuse ends the session.",
      "x-attune": {
        "category": "system",
        "layer": "global"
      }
    },
    "PASSWORD_COST": {
      "type": "integer",
      "minimum": 4,
      "maximum": 16,
      "default": 12,
      "description": "The cost of hashing a password, of which each step doubles the work. Hashes of a lower cost are replaced when their user signs in.",
      "x-attune": {
        "category": "system",
        "layer": "global"
      }
    },
    "LOGIN_FREE_FAILURES": {
      "type": "integer",
      "minimum": 1,
      "maximum": 1000,
      "default": 5,
      "description": "After how many failures to sign in an account, or a network address, has to wait: a second, then twice as long each time.",
      "x-attune": {
        "category": "system",
        "layer": "global"
      }
    },
    "LOGIN_LONGEST_WAIT": {
      "type": "integer",
      "minimum": 1,
      "maximum": 86400,
      "default": 900,
      "description": "For how many seconds, at most, an account or a network address has to wait after failures to sign in.",
      "x-attune": {
        "category": "system",
        "layer": "global"
      }
    },
    "PASSWORD_RESET_LIFETIME": {
      "type": "integer",
      "minimum": 60,
      "maximum": 604800,
      "default": 3600,
      "description": "For how many seconds a mailed link resets the password.",
      "x-attune": {
        "category": "system",
        "layer": "global"
      }
    },
    "EMAIL_VERIFICATION_LIFETIME": {
      "type": "integer",
      "minimum": 60,
      "maximum": 2592000,
      "default": 86400,
      "description": "For how many seconds a mailed link verifies the e-mail address.",
      "x-attune": {
        "category": "system",
        "layer": "global"
      }
    },
    "INVITATION_LIFETIME": {
      "type": "integer",
      "minimum": 60,
      "maximum": 7776000,
      "default": 604800,
      "description": "For how many seconds an invitation may be accepted.",
      "x-attune": {
        "category": "system",
        "layer": "global"
      }
    },
    "INVITATIONS_PER_DAY": {
      "type": "integer",
      "minimum": 0,
      "maximum": 100000,
      "default": 50,
      "description": "How many invitations one user may send in a day.",
      "x-attune": {
        "category": "system",
        "layer": "global"
      }
    }
  }
}
$definitions$);
--! EndIncluded data/shipped_definitions.sql
