--! Previous: sha1:7683635cd5f573594121f75e1239545b4aa308db
--! Hash: sha1:9e1e9cc732b2830ca21356743c63eb37ece06f55
--! Message: shipped definitions

--! Included shipped-definitions/shipped_definitions.sql
-- definitions/attune.json, word for word.
select from attune.apply_definitions($definitions$
{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "attune",
  "title": "The settings that Attune ships",
  "type": "object",
  "$defs": {
    "service": {
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "enabled": {
          "type": "boolean",
          "description": "Whether it is used."
        },
        "autoSync": {
          "type": "boolean",
          "description": "Whether it is kept up to date without being asked."
        },
        "defaults": {
          "type": "object",
          "maxProperties": 50,
          "description": "What it begins with, by name."
        }
      },
      "required": [
        "enabled",
        "autoSync",
        "defaults"
      ],
      "description": "Whether an integration is used, and how."
    },
    "workingDay": {
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "enabled": {
          "type": "boolean",
          "description": "Whether it is a working day."
        },
        "start": {
          "type": "string",
          "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$",
          "description": "When it begins, hours and minutes."
        },
        "end": {
          "type": "string",
          "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$",
          "description": "When it ends, hours and minutes."
        }
      },
      "description": "The working hours of a weekday."
    }
  },
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
        "layer": "global",
        "audience": "admin"
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
        "layer": "global",
        "audience": "admin"
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
        "layer": "global",
        "audience": "admin"
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
        "layer": "global",
        "audience": "admin"
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
        "layer": "global",
        "audience": "admin"
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
        "layer": "global",
        "audience": "admin"
      }
    },
    "LOGIN_FREE_FAILURES": {
      "type": "integer",
      "minimum": 1,
      "maximum": 1000,
      "default": 5,
      "description": "After how many failures to sign in an account has to wait: a second, then twice as long each time.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "LOGIN_FREE_FAILURES_PER_ADDRESS": {
      "type": "integer",
      "minimum": 1,
      "maximum": 1000000,
      "default": 100,
      "description": "After how many failures to sign in, with whatever accounts, a network address has to wait. Many people may share one.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
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
        "layer": "global",
        "audience": "admin"
      }
    },
    "TRUSTED_PROXIES": {
      "type": "integer",
      "minimum": 0,
      "maximum": 10,
      "default": 0,
      "description": "How many proxies in front of PostgREST write to X-Forwarded-For: the client is the entry that the first of them wrote, counted from the right. 0: no entry is believed. Attune's own server is told by TRUST_PROXY.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "REGISTRATIONS_PER_DAY": {
      "type": "integer",
      "minimum": 0,
      "maximum": 1000000,
      "default": 100,
      "description": "How many users may be registered in a day from one network address, trusted servers aside. 0: nobody registers.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "MAILS_PER_DAY": {
      "type": "integer",
      "minimum": 0,
      "maximum": 1000000,
      "default": 20,
      "description": "How many mails of a kind one e-mail address gets in a day: to verify it, to reset a password, and invitations.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "MAILS_PER_DAY_AND_ADDRESS": {
      "type": "integer",
      "minimum": 0,
      "maximum": 1000000,
      "default": 200,
      "description": "How many such mails may be asked for in a day from one network address, trusted servers aside.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
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
        "layer": "global",
        "audience": "admin"
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
        "layer": "global",
        "audience": "admin"
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
        "layer": "global",
        "audience": "admin"
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
        "layer": "global",
        "audience": "admin"
      }
    },
    "deep_research": {
      "type": "boolean",
      "default": false,
      "description": "Deep research: long answers from many sources. Administrators give it to everybody, a plan, a team or one user.",
      "x-attune": {
        "category": "beta_features",
        "writable_by": "admin"
      }
    },
    "strategy_graph": {
      "type": "boolean",
      "default": false,
      "description": "The strategy graph. Administrators give it to everybody, a plan, a team or one user.",
      "x-attune": {
        "category": "beta_features",
        "writable_by": "admin"
      }
    },
    "app_preferences.interface_settings": {
      "type": "object",
      "properties": {
        "theme": {
          "enum": [
            "light",
            "dark",
            "system"
          ],
          "enumDescriptions": [
            "Dark on light.",
            "Light on dark.",
            "As the system has it."
          ],
          "description": "The colours."
        },
        "language": {
          "type": "string",
          "maxLength": 35,
          "pattern": "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
          "description": "A BCP 47 language tag."
        },
        "rtl": {
          "type": "boolean",
          "description": "Whether lines run from right to left."
        },
        "sidebarCollapsed": {
          "type": "boolean",
          "description": "Whether the sidebar shows icons only."
        },
        "tableDensity": {
          "enum": [
            "compact",
            "standard",
            "comfortable"
          ],
          "enumDescriptions": [
            "The most rows on a screen.",
            "As tables usually are.",
            "With room around each row."
          ],
          "description": "How close the rows of tables are."
        },
        "rowsPerPage": {
          "type": "integer",
          "minimum": 5,
          "maximum": 500,
          "description": "How many rows a page of a table has."
        },
        "enableAnimations": {
          "type": "boolean",
          "description": "Whether things move when they change."
        }
      },
      "additionalProperties": false,
      "default": {
        "theme": "system",
        "language": "en",
        "rtl": false,
        "sidebarCollapsed": false,
        "tableDensity": "standard",
        "rowsPerPage": 25,
        "enableAnimations": true
      },
      "description": "How the application looks.",
      "x-attune": {
        "category": "app_preferences"
      }
    },
    "app_preferences.data_preferences": {
      "type": "object",
      "properties": {
        "dateFormat": {
          "type": "string",
          "maxLength": 50,
          "minLength": 1,
          "description": "How dates are written: YYYY-MM-DD."
        },
        "numberFormat": {
          "type": "string",
          "maxLength": 50,
          "minLength": 1,
          "description": "The locale whose digits and separators are used."
        },
        "currency": {
          "type": "string",
          "pattern": "^[A-Z]{3}$",
          "description": "An ISO 4217 code."
        },
        "timezone": {
          "type": [
            "string",
            "null"
          ],
          "maxLength": 64,
          "x-time-zone": true,
          "description": "An IANA name; null is the user's own time zone."
        },
        "defaultFilters": {
          "type": "object",
          "additionalProperties": false,
          "properties": {
            "autoApply": {
              "type": "boolean",
              "description": "Whether lists begin with these filters."
            },
            "tier": {
              "type": "array",
              "items": {
                "type": "string",
                "maxLength": 100
              },
              "maxItems": 50,
              "uniqueItems": true,
              "description": "Only these tiers; all when empty."
            },
            "status": {
              "type": "array",
              "items": {
                "type": "string",
                "maxLength": 100
              },
              "maxItems": 50,
              "uniqueItems": true,
              "description": "Only these states; all when empty."
            },
            "qualityRange": {
              "type": "object",
              "additionalProperties": false,
              "properties": {
                "min": {
                  "type": "number",
                  "minimum": 0,
                  "maximum": 100,
                  "description": "The least quality."
                },
                "max": {
                  "type": "number",
                  "minimum": 0,
                  "maximum": 100,
                  "description": "The greatest quality."
                }
              },
              "description": "Only what is of this quality, 0 to 100."
            }
          },
          "description": "What lists show at first."
        }
      },
      "additionalProperties": false,
      "default": {
        "dateFormat": "YYYY-MM-DD",
        "numberFormat": "en-US",
        "currency": "USD",
        "timezone": "UTC",
        "defaultFilters": {
          "autoApply": false,
          "tier": [],
          "status": [],
          "qualityRange": {
            "min": 0,
            "max": 100
          }
        }
      },
      "description": "How dates, numbers and money read, and what lists show at first.",
      "x-attune": {
        "category": "app_preferences"
      }
    },
    "app_preferences.feature_preferences": {
      "type": "object",
      "properties": {
        "beta": {
          "type": "boolean",
          "description": "Features that are being tried."
        },
        "debug": {
          "type": "boolean",
          "description": "Diagnostics."
        }
      },
      "additionalProperties": false,
      "default": {
        "beta": false,
        "debug": false
      },
      "description": "Whether the user sees features that are being tried, and diagnostics.",
      "x-attune": {
        "category": "app_preferences"
      }
    },
    "app_preferences.integration_settings": {
      "type": "object",
      "properties": {
        "calendly": {
          "$ref": "#/$defs/service",
          "description": "Calendly."
        },
        "whatsapp": {
          "$ref": "#/$defs/service",
          "description": "WhatsApp."
        },
        "email": {
          "$ref": "#/$defs/service",
          "description": "E-mail."
        }
      },
      "additionalProperties": false,
      "x-no-secrets": true,
      "default": {
        "calendly": {
          "enabled": false,
          "autoSync": false,
          "defaults": {}
        },
        "whatsapp": {
          "enabled": false,
          "autoSync": false,
          "defaults": {}
        },
        "email": {
          "enabled": false,
          "autoSync": false,
          "defaults": {}
        }
      },
      "description": "Which integrations are used, and how. Tokens belong in credentials: a value that looks like one is refused.",
      "x-attune": {
        "category": "app_preferences"
      },
      "required": [
        "calendly",
        "whatsapp",
        "email"
      ]
    },
    "dashboard_settings.widget_visibility": {
      "type": "object",
      "properties": {
        "metrics": {
          "type": "boolean",
          "description": "The figures on top."
        },
        "monthlyPerformance": {
          "type": "boolean",
          "description": "Performance by month."
        },
        "leadsConversions": {
          "type": "boolean",
          "description": "Leads and conversions."
        },
        "revenueChannel": {
          "type": "boolean",
          "description": "Revenue by channel."
        },
        "pieCharts": {
          "type": "boolean",
          "description": "Pie charts."
        },
        "recentActivity": {
          "type": "boolean",
          "description": "What happened lately."
        },
        "insights": {
          "type": "boolean",
          "description": "What the figures say."
        },
        "performanceTargets": {
          "type": "boolean",
          "description": "Targets, and how near they are."
        }
      },
      "additionalProperties": false,
      "default": {
        "metrics": true,
        "monthlyPerformance": true,
        "leadsConversions": true,
        "revenueChannel": true,
        "pieCharts": true,
        "recentActivity": true,
        "insights": true,
        "performanceTargets": true
      },
      "description": "Which widgets the dashboard shows.",
      "x-attune": {
        "category": "dashboard_settings",
        "layer": "project"
      }
    },
    "dashboard_settings.widget_layout": {
      "type": "object",
      "properties": {
        "positions": {
          "type": "object",
          "maxProperties": 100,
          "additionalProperties": {
            "type": "object",
            "required": [
              "x",
              "y"
            ],
            "properties": {
              "x": {
                "type": "integer",
                "minimum": 0,
                "maximum": 10000
              },
              "y": {
                "type": "integer",
                "minimum": 0,
                "maximum": 10000
              }
            },
            "additionalProperties": false
          },
          "description": "Where each widget is, {x, y} by widget."
        },
        "sizes": {
          "type": "object",
          "maxProperties": 100,
          "additionalProperties": {
            "type": "object",
            "required": [
              "width",
              "height"
            ],
            "properties": {
              "width": {
                "type": "integer",
                "minimum": 0,
                "maximum": 10000
              },
              "height": {
                "type": "integer",
                "minimum": 0,
                "maximum": 10000
              }
            },
            "additionalProperties": false
          },
          "description": "How large each widget is, {width, height} by widget."
        },
        "collapsed": {
          "type": "object",
          "maxProperties": 100,
          "additionalProperties": {
            "type": "boolean"
          },
          "description": "Which widgets are collapsed, true by widget."
        }
      },
      "additionalProperties": false,
      "default": {
        "positions": {},
        "sizes": {},
        "collapsed": {}
      },
      "description": "Where the widgets are, how large, and which are collapsed, by widget.",
      "x-attune": {
        "category": "dashboard_settings",
        "layer": "project"
      },
      "required": [
        "positions",
        "sizes",
        "collapsed"
      ]
    },
    "dashboard_settings.dashboard_preferences": {
      "type": "object",
      "properties": {
        "defaultView": {
          "type": "string",
          "maxLength": 50,
          "minLength": 1,
          "description": "The view that it opens with."
        },
        "autoRefresh": {
          "type": "boolean",
          "description": "Whether it refreshes by itself."
        },
        "refreshInterval": {
          "type": "integer",
          "minimum": 1000,
          "maximum": 86400000,
          "description": "How often it refreshes, in milliseconds."
        },
        "compactMode": {
          "type": "boolean",
          "description": "Whether widgets stand closer."
        }
      },
      "additionalProperties": false,
      "default": {
        "defaultView": "enhanced",
        "autoRefresh": true,
        "refreshInterval": 300000,
        "compactMode": false
      },
      "description": "How the dashboard opens and refreshes.",
      "x-attune": {
        "category": "dashboard_settings",
        "layer": "project"
      }
    },
    "notification_settings.email_notifications": {
      "type": "object",
      "properties": {
        "leadUpdates": {
          "type": "boolean",
          "description": "Something changed about a lead."
        },
        "meetingReminders": {
          "type": "boolean",
          "description": "A meeting is near."
        },
        "bantQualifications": {
          "type": "boolean",
          "description": "A lead was qualified by budget, authority, need and time."
        },
        "calendlyBookings": {
          "type": "boolean",
          "description": "Somebody booked a meeting with Calendly."
        },
        "heatProgressions": {
          "type": "boolean",
          "description": "A lead became warmer or colder."
        },
        "emailDigest": {
          "type": "boolean",
          "description": "What happened, in one mail."
        },
        "generationComplete": {
          "type": "boolean",
          "description": "Something that was being made is done."
        },
        "qualityAlerts": {
          "type": "boolean",
          "description": "The quality of something fell."
        },
        "weeklyReport": {
          "type": "boolean",
          "description": "The report of the week."
        }
      },
      "additionalProperties": false,
      "default": {
        "leadUpdates": true,
        "meetingReminders": true,
        "bantQualifications": true,
        "calendlyBookings": true,
        "heatProgressions": true,
        "emailDigest": false,
        "generationComplete": true,
        "qualityAlerts": true,
        "weeklyReport": false
      },
      "description": "What the user wants to hear of by e-mail. Copied at sign-up, so that a later default signs nobody up.",
      "x-attune": {
        "category": "notification_settings",
        "seeding": "copy"
      },
      "required": [
        "leadUpdates",
        "meetingReminders",
        "bantQualifications",
        "calendlyBookings",
        "heatProgressions",
        "emailDigest",
        "generationComplete",
        "qualityAlerts",
        "weeklyReport"
      ]
    },
    "notification_settings.push_notifications": {
      "type": "object",
      "properties": {
        "leadUpdates": {
          "type": "boolean",
          "description": "Something changed about a lead."
        },
        "meetingReminders": {
          "type": "boolean",
          "description": "A meeting is near."
        },
        "bantQualifications": {
          "type": "boolean",
          "description": "A lead was qualified by budget, authority, need and time."
        },
        "calendlyBookings": {
          "type": "boolean",
          "description": "Somebody booked a meeting with Calendly."
        },
        "heatProgressions": {
          "type": "boolean",
          "description": "A lead became warmer or colder."
        },
        "emailDigest": {
          "type": "boolean",
          "description": "What happened, in one mail."
        },
        "generationComplete": {
          "type": "boolean",
          "description": "Something that was being made is done."
        },
        "qualityAlerts": {
          "type": "boolean",
          "description": "The quality of something fell."
        },
        "weeklyReport": {
          "type": "boolean",
          "description": "The report of the week."
        }
      },
      "additionalProperties": false,
      "default": {
        "leadUpdates": true,
        "meetingReminders": true,
        "bantQualifications": true,
        "calendlyBookings": true,
        "heatProgressions": true,
        "emailDigest": false,
        "generationComplete": true,
        "qualityAlerts": true,
        "weeklyReport": false
      },
      "description": "What the user wants to hear of by push message. Copied at sign-up, so that a later default signs nobody up.",
      "x-attune": {
        "category": "notification_settings",
        "seeding": "copy"
      },
      "required": [
        "leadUpdates",
        "meetingReminders",
        "bantQualifications",
        "calendlyBookings",
        "heatProgressions",
        "emailDigest",
        "generationComplete",
        "qualityAlerts",
        "weeklyReport"
      ]
    },
    "notification_settings.sms_notifications": {
      "type": "object",
      "properties": {
        "leadUpdates": {
          "type": "boolean",
          "description": "Something changed about a lead."
        },
        "meetingReminders": {
          "type": "boolean",
          "description": "A meeting is near."
        },
        "bantQualifications": {
          "type": "boolean",
          "description": "A lead was qualified by budget, authority, need and time."
        },
        "calendlyBookings": {
          "type": "boolean",
          "description": "Somebody booked a meeting with Calendly."
        },
        "heatProgressions": {
          "type": "boolean",
          "description": "A lead became warmer or colder."
        },
        "emailDigest": {
          "type": "boolean",
          "description": "What happened, in one mail."
        },
        "generationComplete": {
          "type": "boolean",
          "description": "Something that was being made is done."
        },
        "qualityAlerts": {
          "type": "boolean",
          "description": "The quality of something fell."
        },
        "weeklyReport": {
          "type": "boolean",
          "description": "The report of the week."
        }
      },
      "additionalProperties": false,
      "default": {
        "leadUpdates": false,
        "meetingReminders": false,
        "bantQualifications": false,
        "calendlyBookings": false,
        "heatProgressions": false,
        "emailDigest": false,
        "generationComplete": false,
        "qualityAlerts": false,
        "weeklyReport": false
      },
      "description": "What the user wants to hear of by SMS. Copied at sign-up, so that a later default signs nobody up.",
      "x-attune": {
        "category": "notification_settings",
        "seeding": "copy"
      },
      "required": [
        "leadUpdates",
        "meetingReminders",
        "bantQualifications",
        "calendlyBookings",
        "heatProgressions",
        "emailDigest",
        "generationComplete",
        "qualityAlerts",
        "weeklyReport"
      ]
    },
    "notification_settings.notification_schedule": {
      "type": "object",
      "properties": {
        "timezone": {
          "type": [
            "string",
            "null"
          ],
          "maxLength": 64,
          "x-time-zone": true,
          "description": "An IANA name; null is the user's own time zone."
        },
        "workingHours": {
          "type": "object",
          "additionalProperties": false,
          "properties": {
            "enabled": {
              "type": "boolean",
              "description": "Whether notifications wait for these hours."
            },
            "monday": {
              "$ref": "#/$defs/workingDay",
              "description": "Monday."
            },
            "tuesday": {
              "$ref": "#/$defs/workingDay",
              "description": "Tuesday."
            },
            "wednesday": {
              "$ref": "#/$defs/workingDay",
              "description": "Wednesday."
            },
            "thursday": {
              "$ref": "#/$defs/workingDay",
              "description": "Thursday."
            },
            "friday": {
              "$ref": "#/$defs/workingDay",
              "description": "Friday."
            },
            "saturday": {
              "$ref": "#/$defs/workingDay",
              "description": "Saturday."
            },
            "sunday": {
              "$ref": "#/$defs/workingDay",
              "description": "Sunday."
            }
          },
          "description": "When the user works, in hours of each weekday."
        },
        "quietHours": {
          "type": "object",
          "additionalProperties": false,
          "properties": {
            "enabled": {
              "type": "boolean",
              "description": "Whether there are quiet hours."
            },
            "start": {
              "type": "string",
              "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$",
              "description": "When they begin, hours and minutes."
            },
            "end": {
              "type": "string",
              "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$",
              "description": "When they end, hours and minutes."
            }
          },
          "description": "When nothing is to be heard."
        }
      },
      "additionalProperties": false,
      "default": {
        "timezone": null,
        "workingHours": {
          "enabled": true,
          "monday": {
            "enabled": true,
            "start": "09:00",
            "end": "18:00"
          },
          "tuesday": {
            "enabled": true,
            "start": "09:00",
            "end": "18:00"
          },
          "wednesday": {
            "enabled": true,
            "start": "09:00",
            "end": "18:00"
          },
          "thursday": {
            "enabled": true,
            "start": "09:00",
            "end": "18:00"
          },
          "friday": {
            "enabled": true,
            "start": "09:00",
            "end": "18:00"
          },
          "saturday": {
            "enabled": false,
            "start": "09:00",
            "end": "18:00"
          },
          "sunday": {
            "enabled": false,
            "start": "09:00",
            "end": "18:00"
          }
        },
        "quietHours": {
          "enabled": true,
          "start": "22:00",
          "end": "08:00"
        }
      },
      "description": "When notifications may arrive: inside the working hours of a weekday, and outside the quiet hours. A window that ends before it starts goes over midnight; when both are the same, a working day is the whole day, and there are no quiet hours.",
      "x-attune": {
        "category": "notification_settings"
      }
    },
    "ai_configuration.model": {
      "type": "string",
      "maxLength": 200,
      "minLength": 1,
      "default": "claude-sonnet-4-5-20250929",
      "description": "The language model that is asked first.",
      "x-attune": {
        "category": "ai_configuration"
      }
    },
    "ai_configuration.max_tokens": {
      "type": "integer",
      "minimum": 1,
      "maximum": 1000000,
      "default": 4096,
      "description": "How long an answer may be, in tokens.",
      "x-attune": {
        "category": "ai_configuration"
      }
    },
    "ai_configuration.temperature": {
      "type": "number",
      "minimum": 0,
      "maximum": 2,
      "default": 1.0,
      "description": "How freely the model chooses its words, 0 to 2.",
      "x-attune": {
        "category": "ai_configuration"
      }
    },
    "ai_configuration.top_p": {
      "type": "number",
      "minimum": 0,
      "maximum": 1,
      "default": 1.0,
      "description": "Which share of the probable words the model chooses from, 0 to 1.",
      "x-attune": {
        "category": "ai_configuration"
      }
    },
    "ai_configuration.fallback_models": {
      "type": "array",
      "items": {
        "type": "string",
        "maxLength": 200,
        "minLength": 1
      },
      "maxItems": 10,
      "uniqueItems": true,
      "default": [],
      "description": "The models that are asked, in order, when the first does not answer.",
      "x-attune": {
        "category": "ai_configuration"
      }
    },
    "SESSION_STATES_PER_USER": {
      "type": "integer",
      "minimum": 1,
      "maximum": 1000,
      "default": 50,
      "description": "How many session states one user may hold: the oldest go.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "NOTIFICATIONS_PER_DAY": {
      "type": "integer",
      "minimum": 0,
      "maximum": 1000000,
      "default": 1000,
      "description": "How many notifications an inbox takes in a day before the user's own application may add no more; administrators and trusted servers are not limited.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "NOTIFICATION_RETENTION_DAYS": {
      "type": "integer",
      "minimum": 1,
      "maximum": 36500,
      "default": 365,
      "description": "How many days a notification is kept after it arrived, was read or was put away, whatever came last.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "AUDIT_MINIMUM_DAYS": {
      "type": "integer",
      "minimum": 30,
      "maximum": 36500,
      "default": 90,
      "description": "How many days the audit log is kept at least: nobody may purge what is younger.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "AUDIT_RETENTION_DAYS": {
      "type": "integer",
      "minimum": 30,
      "maximum": 36500,
      "description": "After how many days maintenance removes old months of the audit log; as long as it is not set, never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "KNOWLEDGE_WRITES_PER_DAY": {
      "type": "integer",
      "minimum": 0,
      "maximum": 1000000,
      "default": 1000,
      "description": "How many versions of entries of the knowledge hub one user may write in a day; administrators and trusted servers are not limited.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "KNOWLEDGE_MEGABYTES_PER_USER": {
      "type": "integer",
      "minimum": 0,
      "maximum": 1000000,
      "default": 500,
      "description": "How many MiB all that one user has written in the knowledge hub may take, earlier versions among them; administrators and trusted servers are not limited.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "KNOWLEDGE_LEASE_SECONDS": {
      "type": "integer",
      "minimum": 10,
      "maximum": 86400,
      "default": 120,
      "description": "For how many seconds an edit lease of the knowledge hub lasts unless its holder acquires it again.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "SESSION_STATE_DAYS": {
      "type": "integer",
      "minimum": 1,
      "maximum": 1000,
      "default": 7,
      "description": "How many days a session state lasts after it was last saved.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "HEALTH_CHECKSUM_FAILURES": {
      "type": "integer",
      "minimum": 0,
      "maximum": 1000000,
      "default": 1,
      "description": "At how many damaged blocks on the disk there is an alert; 0: never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "HEALTH_TRANSACTION_IDS_PERCENT": {
      "type": "integer",
      "minimum": 0,
      "maximum": 100,
      "default": 50,
      "description": "At what share of the numbers of transactions, given since the database was last frozen, there is an alert; 0: never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "HEALTH_SEQUENCE_PERCENT": {
      "type": "integer",
      "minimum": 0,
      "maximum": 100,
      "default": 80,
      "description": "At what share of the numbers of a sequence there is an alert; 0: never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "HEALTH_CONNECTIONS_PERCENT": {
      "type": "integer",
      "minimum": 0,
      "maximum": 100,
      "default": 80,
      "description": "At what share of connections that are taken there is an alert; 0: never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "HEALTH_LOCK_WAIT_SECONDS": {
      "type": "integer",
      "minimum": 0,
      "maximum": 86400,
      "default": 30,
      "description": "After how many seconds of waiting for a lock there is an alert; 0: never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "HEALTH_PREFERENCE_QUERY_MS": {
      "type": "integer",
      "minimum": 0,
      "maximum": 60000,
      "default": 100,
      "description": "At how many milliseconds for finding out what applies to a user there is an alert; 0: never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "HEALTH_STATEMENT_MS": {
      "type": "integer",
      "minimum": 0,
      "maximum": 3600000,
      "default": 500,
      "description": "At how many milliseconds for a statement, on average of a hundred calls or more, there is an alert; 0: never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "HEALTH_ERROR_PERCENT": {
      "type": "integer",
      "minimum": 0,
      "maximum": 100,
      "default": 10,
      "description": "At what share of transactions that were rolled back, of a thousand or more since they were last counted, there is an alert; 0: never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "HEALTH_CACHE_MISS_PERCENT": {
      "type": "integer",
      "minimum": 0,
      "maximum": 100,
      "default": 10,
      "description": "At what share of blocks that were not in PostgreSQL's cache, of a hundred thousand or more, there is an alert; 0: never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "HEALTH_TRANSACTION_SECONDS": {
      "type": "integer",
      "minimum": 0,
      "maximum": 604800,
      "default": 300,
      "description": "After how many seconds that a transaction is open there is an alert; 0: never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "HEALTH_DEADLOCKS": {
      "type": "integer",
      "minimum": 0,
      "maximum": 1000000,
      "default": 10,
      "description": "At how many deadlocks since they were last counted there is an alert; 0: never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "HEALTH_DEAD_ROWS_PERCENT": {
      "type": "integer",
      "minimum": 0,
      "maximum": 100,
      "default": 20,
      "description": "At what share of dead rows in a table, ten thousand or more, there is an alert; 0: never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "HEALTH_UNUSED_INDEX_MEGABYTES": {
      "type": "integer",
      "minimum": 0,
      "maximum": 1000000,
      "default": 100,
      "description": "At how many MiB of an index that nothing has used for a week or longer there is an alert; 0: never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "HEALTH_ROWS_PER_SCAN": {
      "type": "integer",
      "minimum": 0,
      "maximum": 1000000000,
      "default": 100000,
      "description": "At how many rows each time that a table is read whole, a thousand times or more, there is an alert; 0: never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "HEALTH_REPLICATION_LAG_SECONDS": {
      "type": "integer",
      "minimum": 0,
      "maximum": 604800,
      "default": 60,
      "description": "After how many seconds that a standby is behind there is an alert; 0: never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "HEALTH_REPLICATION_SLOT_MEGABYTES": {
      "type": "integer",
      "minimum": 0,
      "maximum": 10000000,
      "default": 1024,
      "description": "At how many MiB of WAL, kept for a replication slot from which nobody reads, there is an alert; 0: never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "HEALTH_AUDIT_MEGABYTES_PER_DAY": {
      "type": "integer",
      "minimum": 0,
      "maximum": 1000000,
      "default": 10,
      "description": "At how many MiB that the audit log grows by in a day there is an alert; 0: never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "HEALTH_UNSEALED_SECONDS": {
      "type": "integer",
      "minimum": 0,
      "maximum": 604800,
      "default": 600,
      "description": "After how many seconds that a row of the audit log is not sealed there is an alert; 0: never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "HEALTH_UNPARTITIONED_ROWS": {
      "type": "integer",
      "minimum": 0,
      "maximum": 1000000,
      "default": 1,
      "description": "At how many rows of the audit log, or of its seals, without a partition of their month there is an alert; 0: never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "HEALTH_BACKLOG_SECONDS": {
      "type": "integer",
      "minimum": 0,
      "maximum": 604800,
      "default": 900,
      "description": "After how many seconds that something is due and not done there is an alert; 0: never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "HEALTH_GIVEN_UP": {
      "type": "integer",
      "minimum": 0,
      "maximum": 1000000,
      "default": 1,
      "description": "At how many mails or deliveries given up in a day, or change sets or rollouts given up at all, there is an alert; 0: never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "HEALTH_MAINTENANCE_LATE_SECONDS": {
      "type": "integer",
      "minimum": 0,
      "maximum": 31536000,
      "default": 3600,
      "description": "After how many seconds that maintenance is late there is an alert; 0: never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "HEALTH_BACKUP_DAYS": {
      "type": "integer",
      "minimum": 0,
      "maximum": 36500,
      "default": 7,
      "description": "When no backup was written down for so long, there is an alert; 0: never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    },
    "HEALTH_MAINTENANCE_FAILED": {
      "type": "integer",
      "minimum": 0,
      "maximum": 1,
      "default": 1,
      "description": "1: when maintenance failed the last time, there is an alert; 0: never.",
      "x-attune": {
        "category": "system",
        "layer": "global",
        "audience": "admin"
      }
    }
  }
}
$definitions$);
--! EndIncluded shipped-definitions/shipped_definitions.sql
